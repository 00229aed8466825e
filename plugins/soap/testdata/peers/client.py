# zeep makes the envelope of a call by a WSDL: its arguments are the file, the
# operation, and the arguments as JSON.
import json, sys
from lxml import etree
from zeep import Client, Settings

wsdl, operation, arguments = sys.argv[1:]
client = Client(wsdl, settings=Settings(strict=True))
print(etree.tostring(client.create_message(client.service, operation, **json.loads(arguments)), encoding="unicode"))
