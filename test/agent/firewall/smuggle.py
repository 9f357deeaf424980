# Ways past a firewall that need no help of simward's: each sends a few packets with a tag in them. Arguments: the way, the tag.
import socket
import struct
import sys

way, tag = sys.argv[1], sys.argv[2].encode()
FAR4, FAR6, ELSEWHERE = "203.0.113.1", "2001:db8:f::1", "10.99.0.1"
MARK = (socket.SOL_SOCKET, 36, 0x5157)


def datagram(host, port, octets, source=0, options=()):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for option in options:
            one.setsockopt(*option)
        if source:
            one.bind(("", source))
        try:
            one.sendto(tag.ljust(octets, b"."), (host, port))
        except OSError:
            pass


def icmpv6(kind, host, hops, octets=1000):
    with socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58) as one:
        one.setsockopt(socket.IPPROTO_IPV6, 16 if not host.startswith("ff") else 18, hops)
        try:
            one.sendto(struct.pack("!BBHI", kind, 0, 0, 0) + tag.ljust(octets, b"."), (host, 0))
        except OSError:
            pass


def raw4(protocol, fragment):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 7, fragment, 64, protocol, 0, bytes(4), socket.inet_aton(FAR4))
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as one:
        try:
            one.sendto(header + tag.ljust(64, b"."), (FAR4, 0))
        except OSError:
            pass


on_modem = [(socket.SOL_SOCKET, 25, b"wwan0\0")]
ways = {
    "dhcp": lambda: datagram(FAR4, 67, 800, 68),
    "dhcpv6": lambda: datagram(FAR6, 547, 800, 546),
    "neighbour": lambda: [icmpv6(kind, FAR6, 255) for kind in (133, 135, 136)],
    "multicast-listener": lambda: [icmpv6(kind, FAR6, 1) for kind in (131, 132, 143)],
    "mark": lambda: datagram(FAR4, 4433, 100, options=[MARK]),
    "fragments": lambda: [raw4(17, fragment) for fragment in (0x2000, 8)],
    "protocols": lambda: [raw4(protocol, 0) for protocol in (2, 4, 41, 47, 50, 51, 89, 103, 132, 136, 253)],
    "elsewhere": lambda: datagram(ELSEWHERE, 4433, 100),
    "lease": lambda: datagram("255.255.255.255", 67, 300, 68, [*on_modem, (socket.SOL_SOCKET, socket.SO_BROADCAST, 1)]),
    "renewals": lambda: [datagram(FAR4, 67, 300, 68) for _ in range(20)],
    "solicitation": lambda: icmpv6(133, "ff02::2%wwan0", 255, 40),
}
ways[way]()
