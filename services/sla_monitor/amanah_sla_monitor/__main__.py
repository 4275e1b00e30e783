from amanah_chassis.service import main
from amanah_sla_monitor.app import SERVICE

main(SERVICE)
