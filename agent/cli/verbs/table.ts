// Every verb of the command line, in the order of its help.
import type { Verb } from "../verb.ts";
import { auditTail, auditVerify } from "./audit.ts";
import { configValidate } from "./config-validate.ts";
import { eimPoll } from "./eim-poll.ts";
import { emergencyOff, emergencyOn, emergencyStatus } from "./emergency.ts";
import { events } from "./events.ts";
import { packageDecode } from "./package-decode.ts";
import { profileList } from "./profile-list.ts";
import {
  profileEmergencyOff,
  profileEmergencyOn,
  profileFallbackExec,
  profileFallbackReturn,
  profileImmediateOff,
  profileImmediateOn,
} from "./profile-switch.ts";
import { status } from "./status.ts";

export const verbs: readonly Verb[] = [
  status,
  profileList,
  profileFallbackExec,
  profileFallbackReturn,
  profileEmergencyOn,
  profileEmergencyOff,
  profileImmediateOn,
  profileImmediateOff,
  emergencyStatus,
  emergencyOn,
  emergencyOff,
  eimPoll,
  packageDecode,
  auditTail,
  auditVerify,
  events,
  configValidate,
];
