// Every verb of the command line, in the order of its help.
import type { Verb } from "../verb.ts";
import { auditExport, auditKey, auditQuery, auditTail, auditVerify } from "./audit.ts";
import { cardMemoryReset } from "./card-memory-reset.ts";
import { configValidate } from "./config-validate.ts";
import { eimAddInitial } from "./eim-add-initial.ts";
import { eimPoll } from "./eim-poll.ts";
import { emergencyOff, emergencyOn, emergencyStatus } from "./emergency.ts";
import { events } from "./events.ts";
import { imeiLockPair, imeiLockRepair, imeiLockShow, imeiLockUnlock } from "./imei-lock.ts";
import { keysInstall, keysList } from "./keys.ts";
import { lifecycleRetire, lifecycleSet, lifecycleStatus, lifecycleTestTrigger, lifecycleTransfer } from "./lifecycle.ts";
import { modemList } from "./modem-list.ts";
import { modemRatSet, modemRatShow } from "./modem-rat.ts";
import { netApnTest, netProbe, netScan, netSessions, netStatus } from "./net.ts";
import { notifDeliver, notifList } from "./notif.ts";
import { packageDecode } from "./package-decode.ts";
import { policyExplain, policyShow, policySimulate } from "./policy.ts";
import { policyMarketShow } from "./policy-market.ts";
import { profileList } from "./profile-list.ts";
import { profileDelete, profileDisable, profileDownload, profileEnable, profileNickname } from "./profile-local.ts";
import {
  profileEmergencyOff,
  profileEmergencyOn,
  profileFallbackExec,
  profileFallbackReturn,
  profileImmediateOff,
  profileImmediateOn,
} from "./profile-switch.ts";
import { roamingHistory, roamingRulesInstall, roamingRulesShow, roamingStatus } from "./roaming.ts";
import { status } from "./status.ts";

export const verbs: readonly Verb[] = [
  status,
  profileList,
  profileDownload,
  profileEnable,
  profileDisable,
  profileDelete,
  profileNickname,
  profileFallbackExec,
  profileFallbackReturn,
  profileEmergencyOn,
  profileEmergencyOff,
  profileImmediateOn,
  profileImmediateOff,
  emergencyStatus,
  emergencyOn,
  emergencyOff,
  netStatus,
  netSessions,
  netProbe,
  netScan,
  netApnTest,
  modemRatShow,
  modemRatSet,
  notifList,
  notifDeliver,
  cardMemoryReset,
  eimPoll,
  eimAddInitial,
  modemList,
  policyShow,
  policyExplain,
  policySimulate,
  policyMarketShow,
  roamingStatus,
  roamingHistory,
  roamingRulesShow,
  roamingRulesInstall,
  imeiLockShow,
  imeiLockPair,
  imeiLockUnlock,
  imeiLockRepair,
  lifecycleStatus,
  lifecycleSet,
  lifecycleRetire,
  lifecycleTransfer,
  lifecycleTestTrigger,
  keysList,
  keysInstall,
  packageDecode,
  auditTail,
  auditQuery,
  auditExport,
  auditKey,
  auditVerify,
  events,
  configValidate,
];
