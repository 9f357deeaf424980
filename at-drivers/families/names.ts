// The names of the families, for who has to know them without the families themselves.

export const familyNames = [
  "quectel-bg9x",
  "quectel-ec200",
  "quectel-ec2x",
  "simcom-sim7080",
  "simcom-a76xx",
  "ublox-sara-r5",
  "ublox-sara-r4",
  "ublox-lara-r6",
  "ublox-lexi-r10",
  "telit-me",
  "telit-le910q1",
  "telit-le910",
  "nordic-nrf91",
  "generic-3gpp",
] as const;

export type FamilyName = (typeof familyNames)[number];
