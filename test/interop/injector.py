#!/usr/bin/env python3
"""An eIM that brings one message to a vehicle over HTTPS (SGP.32 §3.1.1.2): the standard library only, and nothing of simward.
injector.py HOST:PORT VEHICLE.pem HEX [CLIENT.pem CLIENT.key]: prints {"status", "body"} or {"error"}."""
import http.client
import json
import ssl
import sys

address, vehicle, message, *client = sys.argv[1:]
host, port = address.rsplit(":", 1)
# The vehicle's certificate is pinned; its time is the tests' own.
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
tls.check_hostname = False
tls.verify_mode = ssl.CERT_NONE
with open(vehicle) as file:
    pinned = ssl.PEM_cert_to_DER_cert(file.read())
if client:
    tls.load_cert_chain(*client)
try:
    connection = http.client.HTTPSConnection(host, int(port), context=tls, timeout=30)
    connection.connect()
    if connection.sock.getpeercert(binary_form=True) != pinned:
        raise OSError("another vehicle")
    headers = {"Content-Type": "application/x-gsma-rsp-asn1", "X-Admin-Protocol": "gsma/rsp/v2.1.0"}
    connection.request("POST", "/gsma/rsp2/asn1", bytes.fromhex(message), headers)
    response = connection.getresponse()
    print(json.dumps({"status": response.status, "body": response.read().hex().upper()}))
except (OSError, http.client.HTTPException) as error:
    print(json.dumps({"error": type(error).__name__}))
