from amanah_chassis.service import main
from amanah_intake.app import SERVICE

main(SERVICE)
