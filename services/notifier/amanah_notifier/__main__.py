"""`python -m amanah_notifier` runs the service; `… migrate` brings its database up to date and ends."""

from amanah_chassis.service import main
from amanah_notifier.app import SERVICE

main(SERVICE)
