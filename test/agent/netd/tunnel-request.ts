// A request for a tunnel that is right in everything; its octets are no certificates, which only charon would see.

export const tunnelRequest = {
  gateway: "203.0.113.7",
  localId: "vehicle-1.fleet.example",
  remoteId: "vpn.fleet.example",
  auth: "cert",
  certificates: ["MAMCAQA="],
  key: "MAMCAQA=",
  cas: ["MAMCAQA="],
  remoteTs: ["10.0.0.0/8", "fd00::/8"],
  localTs: ["192.168.7.0/24"],
  virtualIps: ["0.0.0.0", "::"],
  dpdSeconds: 30,
  rekeySeconds: 3_600,
  management: "outside",
  table: 100,
  limitSeconds: 60,
} as const;
