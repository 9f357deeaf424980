// minimizeEsipaBytes: what is left out towards the eIM, and what the eIM makes of it.
import { type Group, group } from "./row.ts";

export const compactRows: readonly Group[] = [
  group("Compact messages", "compact", "SGP.32 §5.14", {
    "only-announced": "Only when announced, and to an eIM known to take them",
    "initiate-authentication": ["InitiateAuthentication without euiccInfo1 and address", "SGP.32 §5.14.1"],
    "no-transaction": "Answers without the transaction",
    "authenticate-client": ["AuthenticateClient: euiccSigned1 without what the eIM knows, byte-exact when rebuilt", "SGP.32 §5.14.3"],
    certificates: ["AuthenticateClient without certificates the eIM has", "SGP.32 §5.14.3"],
    "get-bound-profile-package": ["GetBoundProfilePackage: euiccSigned2 without what the eIM knows", "SGP.32 §5.14.2"],
    "cancel-session": ["CancelSession: the reason alone", "SGP.32 §5.14.8"],
    "installation-result": ["HandleNotification: compact installation result", "SGP.32 §5.14.7"],
    "other-notification": ["HandleNotification: other notifications without certificates", "SGP.32 §5.14.7"],
    forms: "The compact forms are read and written",
  }),
];
