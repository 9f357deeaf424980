#!/usr/bin/env python3
"""A local profile assistant of its own (SGP.22) over PC/SC, or over a module's AT port: the standard library and libpcsclite, and nothing of simward.
Each command prints one line of JSON; a refusal of the card is {"error": ...} and exit code 1."""
import argparse
import base64
import ctypes
import json
import os
import select
import socket
import ssl
import sys
import time
import tty
import urllib.request

ISD_R = bytes.fromhex("A0000005591010FFFFFFFF8900000100")
SHARED, ANY_PROTOCOL, LEAVE, RESET = 2, 3, 0, 1


class Refused(Exception):
    pass


# --- TLV ---------------------------------------------------------------------------------------------------------------------


def tlv(tag, *values):
    value = b"".join(values)
    head = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    if len(value) < 0x80:
        return head + bytes([len(value)]) + value
    size = len(value).to_bytes((len(value).bit_length() + 7) // 8, "big")
    return head + bytes([0x80 | len(size)]) + size + value


def split(data):
    """[(tag, value, whole)] of TLVs one after the other."""
    out, at = [], 0
    while at < len(data):
        start = at
        tag = data[at]
        at += 1
        if tag & 0x1F == 0x1F:
            while True:
                tag = tag << 8 | data[at]
                at += 1
                if data[at - 1] & 0x80 == 0:
                    break
        size = data[at]
        at += 1
        if size & 0x80:
            count = size & 0x7F
            size = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + size > len(data):
            raise Refused("a TLV is cut off")
        out.append((tag, data[at : at + size], data[start : at + size]))
        at += size
    return out


def find(data, *path):
    for tag in path:
        data = next((value for known, value, _ in split(data) if known == tag), None)
        if data is None:
            return None
    return data


def whole(data, tag):
    return next((raw for known, _, raw in split(data) if known == tag), b"")


def number(value):
    return int.from_bytes(value, "big")


def digits(bcd):
    """Nibbles swapped, F fills up, as in EF.ICCID."""
    return "".join(f"{octet & 15:x}{octet >> 4:x}" for octet in bcd).rstrip("f")


def iccid_octets(text):
    text = text.ljust(20, "F")
    return bytes(int(text[i + 1] + text[i], 16) for i in range(0, 20, 2))


# --- PC/SC -------------------------------------------------------------------------------------------------------------------


class Pci(ctypes.Structure):
    _fields_ = [("protocol", ctypes.c_ulong), ("size", ctypes.c_ulong)]


class Reader:
    def __init__(self, index):
        self.lib = ctypes.CDLL("libpcsclite.so.1")
        self.context = ctypes.c_long()
        self.card = ctypes.c_long()
        self.protocol = ctypes.c_ulong()
        self.check("SCardEstablishContext", ctypes.c_ulong(2), None, None, ctypes.byref(self.context))
        size = ctypes.c_ulong(4096)
        names = ctypes.create_string_buffer(size.value)
        self.check("SCardListReaders", self.context, None, names, ctypes.byref(size))
        readers = [name for name in names.raw[: size.value].split(b"\0") if name]
        parts = (ctypes.byref(self.card), ctypes.byref(self.protocol))
        self.check("SCardConnect", self.context, readers[index], ctypes.c_ulong(SHARED), ctypes.c_ulong(ANY_PROTOCOL), *parts)

    def check(self, name, *arguments):
        result = getattr(self.lib, name)(*arguments) & 0xFFFFFFFF
        if result != 0:
            raise Refused(f"{name}: {result:08X}")

    def reset(self):
        active = ctypes.byref(self.protocol)
        self.check("SCardReconnect", self.card, ctypes.c_ulong(SHARED), ctypes.c_ulong(ANY_PROTOCOL), ctypes.c_ulong(RESET), active)

    def close(self):
        self.lib.SCardDisconnect(self.card, ctypes.c_ulong(LEAVE))
        self.lib.SCardReleaseContext(self.context)

    def exchange(self, apdu):
        pci = Pci(self.protocol.value, ctypes.sizeof(Pci))
        answer = ctypes.create_string_buffer(300)
        size = ctypes.c_ulong(300)
        octets = ctypes.create_string_buffer(apdu, len(apdu))
        self.check("SCardTransmit", self.card, ctypes.byref(pci), octets, ctypes.c_ulong(len(apdu)), None, answer, ctypes.byref(size))
        data = answer.raw[: size.value]
        return data[:-2], number(data[-2:])


# --- a module's AT port (3GPP TS 27.007 §8.17, §8.45 to §8.47) ---------------------------------------------------------------


class Modem:
    """`at`: host:port, or the path of a terminal. `way`: csim, which has channels of its own, or cgla, whose channel is opened with the application."""

    def __init__(self, at, way):
        self.way, self.session, self.text = way, None, b""
        if at.startswith("/"):
            self.fd = os.open(at, os.O_RDWR | os.O_NOCTTY)
            tty.setraw(self.fd)
        else:
            host, port = at.rsplit(":", 1)
            self.socket = socket.create_connection((host, int(port)))
            self.fd = self.socket.fileno()
        self.command("ATE0")

    def line(self, seconds=20):
        until = time.monotonic() + seconds
        while b"\n" not in self.text:
            if not select.select([self.fd], [], [], max(0, until - time.monotonic()))[0]:
                raise Refused("the module is silent")
            self.text += os.read(self.fd, 4096)
        line, self.text = self.text.split(b"\n", 1)
        return line.strip().decode()

    def command(self, text):
        """The last line before OK: what comes unasked between two commands comes before it."""
        os.write(self.fd, text.encode() + b"\r")
        answer = ""
        while True:
            line = self.line()
            if line == "OK":
                return answer
            if line == "ERROR" or line.startswith("+CME ERROR"):
                raise Refused(f"{text[:12]}: {line}")
            if line and line != text:
                answer = line

    def open(self):
        if self.way == "cgla":
            self.session = self.command(f'AT+CCHO="{ISD_R.hex().upper()}"').removeprefix("+CCHO:").strip()

    def close(self):
        if self.session is not None:
            self.command(f"AT+CCHC={self.session}")
        os.close(self.fd)

    def online(self):
        """The virtual vehicle's servers are reached over the module's own session."""
        until = time.monotonic() + 20
        while not self.command("AT+CGACT?").endswith(",1"):
            if time.monotonic() > until:
                raise Refused("the module finds no network")
            time.sleep(0.1)

    def reset(self):
        """The module obeys the REFRESH by itself, and says when the card can be used again; without a profile it says nothing."""
        self.session = None
        try:
            while self.line(4) != "+CPIN: READY":
                pass
        except Refused:
            pass

    def exchange(self, apdu):
        text = apdu.hex().upper()
        name = "+CSIM" if self.session is None else "+CGLA"
        where = "" if self.session is None else f"{self.session},"
        answer = self.command(f'AT{name}={where}{len(text)},"{text}"')
        size, data = answer.removeprefix(f"{name}:").split(",", 1)
        octets = bytes.fromhex(data.strip().strip('"'))
        if int(size) != 2 * len(octets):
            raise Refused(f"{name}: {size} digits were announced")
        return octets[:-2], number(octets[-2:])


class Card:
    def __init__(self, reader, block):
        self.reader, self.block, self.channel = reader, block, 0

    def send(self, apdu):
        """Data and last status word; follows 61xx and 6Cxx."""
        data, sw = self.reader.exchange(apdu)
        if sw >> 8 == 0x6C:
            data, sw = self.reader.exchange(apdu[:4] + bytes([sw & 0xFF]))
        while sw >> 8 == 0x61:
            more, sw = self.reader.exchange(bytes([self.channel, 0xC0, 0, 0, sw & 0xFF]))
            data += more
        return data, sw

    def open(self):
        if isinstance(self.reader, Modem) and self.reader.way == "cgla":
            self.reader.open()
            return b""
        self.send(bytes.fromhex("80AA000005A903830107"))
        data, sw = self.send(bytes.fromhex("0070000001"))
        if sw != 0x9000:
            raise Refused(f"no logical channel: {sw:04X}")
        self.channel = data[0]
        fci, sw = self.send(bytes([self.channel, 0xA4, 4, 0, len(ISD_R)]) + ISD_R)
        if sw != 0x9000:
            raise Refused(f"no ISD-R: {sw:04X}")
        return fci

    def close(self):
        """A channel left open is one that the next program does not get."""
        if self.channel != 0:
            self.reader.exchange(bytes([0, 0x70, 0x80, self.channel]))

    def es10(self, command):
        blocks = [command[at : at + self.block] for at in range(0, len(command), self.block)]
        for index, part in enumerate(blocks):
            last = index == len(blocks) - 1
            head = bytes([0x80 | self.channel, 0xE2, 0x91 if last else 0x11, index, len(part)])
            data, sw = self.send(head + part)
            if sw >> 8 not in (0x90, 0x91):
                raise Refused(f"ES10 {command[:2].hex().upper()}: {sw:04X}")
        return data, sw

    def ask(self, tag, *values):
        data, _ = self.es10(tlv(tag, *values))
        value = find(data, tag)
        if value is None:
            raise Refused(f"no answer to {tag:04X}")
        return value

    def file(self, *selects, size):
        """On the basic channel, as a phone reads it."""
        self.channel = 0
        for select in selects:
            _, sw = self.send(bytes.fromhex(select))
            if sw != 0x9000:
                raise Refused(f"{select}: {sw:04X}")
        return self.send(bytes([0, 0xB0, 0, 0, size]))[0]


# --- commands ----------------------------------------------------------------------------------------------------------------


def result_of(card, tag, *values):
    """A function whose answer is 80 and a result; a change that asks for REFRESH is followed by a reset, as this terminal has no toolkit."""
    data, sw = card.es10(tlv(tag, *values))
    code = number(find(data, tag, 0x80))
    if sw >> 8 == 0x91:
        card.reader.reset()
        card.channel = 0
    if code != 0:
        raise Refused(f"result {code}")
    return {"ok": True, "refresh": sw >> 8 == 0x91}


def profiles(card):
    fields = {0x5A: "iccid", 0x9F70: "state", 0x90: "nickname", 0x91: "provider", 0x92: "name"}
    read = {0x5A: digits, 0x9F70: lambda value: ["disabled", "enabled"][number(value)]}
    entries = [value for tag, value, _ in split(find(card.ask(0xBF2D), 0xA0)) if tag == 0xE3]
    return [
        {fields[tag]: read.get(tag, lambda text: text.decode())(value) for tag, value, _ in split(entry) if tag in fields} for entry in entries
    ]


def notifications(card):
    events = {0x80: "install", 0x40: "enable", 0x20: "disable", 0x10: "delete"}
    out = []
    for _, entry, _ in split(find(card.ask(0xBF28), 0xA0)):
        event = events[find(entry, 0x81)[1]]
        out.append({"seq": number(find(entry, 0x80)), "event": event, "to": find(entry, 0x0C).decode(), "iccid": digits(find(entry, 0x5A))})
    return out


def info(card, fci):
    info2 = card.ask(0xBF22)
    template = find(fci, 0x6F, 0xA5) or b""
    return {
        "svn": ".".join(map(str, find(info2, 0x82))),
        "iot": find(info2, 0xB4) is not None,
        "ipaMode": None if find(info2, 0x90) is None else number(find(info2, 0x90)),
        "templates": [f"{tag:02X}" for tag, _, _ in split(template) if tag in (0xE0, 0xE1)],
        "ci": [value.hex().upper() for _, value, _ in split(find(info2, 0xAA))],
    }


# --- download ----------------------------------------------------------------------------------------------------------------


class Smdp:
    def __init__(self, address, ca):
        self.base = f"https://{address}/gsma/rsp2/es9plus/"
        # RSP's own certificates say little that a web client expects; the chain is checked, and the name.
        self.tls = ssl.create_default_context(cafile=ca)

    def post(self, name, **body):
        headers = {"Content-Type": "application/json", "X-Admin-Protocol": "gsma/rsp/v2.2.2", "User-Agent": "gsma-rsp-lpad"}
        request = urllib.request.Request(self.base + name, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, context=self.tls, timeout=30) as response:
            text = response.read()
        answer = json.loads(text) if text else {}
        status = answer.get("header", {}).get("functionExecutionStatus", {"status": "Executed-Success"})
        if status["status"] != "Executed-Success":
            codes = status["statusCodeData"]
            raise Refused(f"{name}: {codes['subjectCode']}/{codes['reasonCode']}")
        return answer


def b64(octets):
    return base64.b64encode(octets).decode()


def download(card, code, ca):
    _, address, matching_id = code.removeprefix("LPA:").split("$")[:3]
    smdp = Smdp(address, ca)
    challenge = find(card.ask(0xBF2E), 0x80)
    info1, _ = card.es10(tlv(0xBF20))
    first = smdp.post("initiateAuthentication", euiccChallenge=b64(challenge), euiccInfo1=b64(info1), smdpAddress=address)
    names = ("serverSigned1", "serverSignature1", "euiccCiPKIdToBeUsed", "serverCertificate")
    device = tlv(0xA1, tlv(0x80, bytes.fromhex("35290611")), tlv(0xA1))
    context = tlv(0xA0, tlv(0x80, matching_id.encode()), device)
    authenticated, _ = card.es10(tlv(0xBF38, *(base64.b64decode(first[name]) for name in names), context))
    if find(authenticated, 0xBF38, 0xA0) is None:
        raise Refused(f"AuthenticateServer: {authenticated.hex().upper()}")
    transaction = first["transactionId"]
    second = smdp.post("authenticateClient", transactionId=transaction, authenticateServerResponse=b64(authenticated))
    names = ("smdpSigned2", "smdpSignature2", "smdpCertificate")
    prepared, _ = card.es10(tlv(0xBF21, *(base64.b64decode(second[name]) for name in names)))
    if find(prepared, 0xBF21, 0xA0) is None:
        raise Refused(f"PrepareDownload: {prepared.hex().upper()}")
    third = smdp.post("getBoundProfilePackage", transactionId=transaction, prepareDownloadResponse=b64(prepared))
    result = load(card, base64.b64decode(third["boundProfilePackage"]))
    if find(result, 0xBF37, 0xBF27, 0xA2, 0xA0) is None:
        raise Refused(f"not installed: {result.hex().upper()}")
    smdp.post("handleNotification", pendingNotification=b64(result))
    seq = find(result, 0xBF37, 0xBF27, 0xBF2F, 0x80)
    return result_of(card, 0xBF30, tlv(0x80, seq)) | {"iccid": digits(find(result, 0xBF37, 0xBF27, 0xBF2F, 0x5A))}


def load(card, package):
    """SGP.22 §2.5.5: the pieces in which a bound profile package goes to the card; the first answer that is not empty ends it."""
    body = find(package, 0xBF36)
    head = package[: len(package) - len(body)]
    pieces = []
    for tag, value, raw in split(body):
        if tag == 0xBF23:
            pieces.append(head + raw)
        elif tag in (0xA0, 0xA2):
            pieces.append(raw)
        else:
            pieces.append(raw[: len(raw) - len(value)])
            pieces += [piece for _, _, piece in split(value)]
    for piece in pieces:
        data, _ = card.es10(piece)
        if data:
            return data
    raise Refused("the card gave no result")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--reader", type=int, default=0)
    parser.add_argument("--at")
    parser.add_argument("--way", choices=("csim", "cgla"), default="cgla")
    parser.add_argument("--block", type=int, default=120)
    parser.add_argument("--ca")
    parser.add_argument("command")
    parser.add_argument("argument", nargs="*")
    options = parser.parse_args()
    argument = options.argument
    identified = lambda: tlv(0xA0, tlv(0x5A, iccid_octets(argument[0])))
    refresh = tlv(0x81, b"\xff")
    try:
        reader = Reader(options.reader) if options.at is None else Modem(options.at, options.way)
        finish = lambda: None
        try:
            if options.at is not None and options.command == "download":
                reader.online()
            card = Card(reader, options.block)
            finish = card.close
            if options.command == "iccid":
                answer = digits(card.file("00A4080C022FE2", size=10))
            else:
                fci = card.open()
                answer = {
                    "eid": lambda: find(card.ask(0xBF3E, tlv(0x5C, b"\x5a")), 0x5A).hex(),
                    "info": lambda: info(card, fci),
                    "profiles": lambda: profiles(card),
                    "enable": lambda: result_of(card, 0xBF31, identified(), refresh),
                    "disable": lambda: result_of(card, 0xBF32, identified(), refresh),
                    "delete": lambda: result_of(card, 0xBF33, tlv(0x5A, iccid_octets(argument[0]))),
                    "nickname": lambda: result_of(card, 0xBF29, tlv(0x5A, iccid_octets(argument[0])), tlv(0x90, argument[1].encode())),
                    "notifications": lambda: notifications(card),
                    "remove": lambda: result_of(card, 0xBF30, tlv(0x80, bytes([int(argument[0])]))),
                    "reset": lambda: result_of(card, 0xBF34, tlv(0x82, b"\x05\xe0")),
                    "download": lambda: download(card, argument[0], options.ca),
                }[options.command]()
        finally:
            finish()
            reader.close()
    except Refused as error:
        print(json.dumps({"error": str(error)}))
        sys.exit(1)
    print(json.dumps(answer))


main()
