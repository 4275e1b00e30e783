from amanah_chassis.service import main
from amanah_routing.app import SERVICE

main(SERVICE)
