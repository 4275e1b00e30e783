from amanah_casework.app import SERVICE
from amanah_chassis.service import main

main(SERVICE)
