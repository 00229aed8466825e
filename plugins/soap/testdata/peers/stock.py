# Spyne serves a service that it describes itself. VERSION is that of SOAP.
import os
from wsgiref.simple_server import make_server, WSGIRequestHandler
from spyne import Application, Array, Boolean, ComplexModel, Fault, Integer64, ServiceBase, Unicode, Decimal, rpc
from spyne.protocol.soap import Soap11, Soap12
from spyne.server.wsgi import WsgiApplication

Soap = Soap12 if os.environ["VERSION"] == "1.2" else Soap11
SPACE = "urn:example:stock"


class Item(ComplexModel):
    __namespace__ = SPACE
    sku = Unicode(min_occurs=1)
    quantity = Integer64(min_occurs=1)
    price = Decimal(min_occurs=0)


class Stock(ServiceBase):
    @rpc(Unicode, Array(Item), Boolean, _returns=Array(Item))
    def reserve(ctx, customer, items, whole):
        if items[0].sku == "X0":
            raise Fault("Client.NoSuchItem", "no such item")
        return [Item(sku=f"{customer}/{i.sku}", quantity=i.quantity + 1 if whole else 0, price=i.price) for i in items]


app = WsgiApplication(Application([Stock], SPACE, name="Stock", in_protocol=Soap(validator="lxml"), out_protocol=Soap()))


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


with make_server("127.0.0.1", int(os.environ["PORT"]), app, handler_class=Quiet) as server:
    print("ready")
    server.serve_forever()
