"""How often Python looks for garbage, and when memory that is free goes back to the machine."""

import ctypes
import gc


def tune() -> None:
    """Call once, when all is imported and wired. A batch makes tens of thousands of objects that all die by themselves when
    it is done; Python's own setting walked them some fifty times a batch, which was 29 % of a consumer's time (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def sweep(second: int) -> None:
    """Call once a second, with the number of that second: what little work leaves behind would else lie there until it is
    100,000 objects, some 25 MB. Each minute all is looked at: whatever was in use at one of the sweeps counts as old, and
    since they leave no 100,000 to gather, Python would never come to look at the old ones by itself. Then what is free goes
    back: of a notifier's 37 MB more after 3,000 notices 25 were free, and the C library held them (measured)."""
    if second % 60:
        gc.collect(1)
    else:
        gc.collect()
        give_back()


def give_back() -> None:
    """Has the C library return what nobody uses, where it is glibc; others do it by themselves or not at all."""
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
