// The bound profile package (BF36) and the commands inside it (BF23 to BF26), ES8+ (SGP.22 §2.5.4, §5.5).
import { alsoTag, type Infer, implicit, octets, optional, seq, seqOf, signed } from "../asn1/schema.ts";
import { DpProprietaryData, Octet1, OctetTo16, RemoteOpId, TransactionId } from "./common.ts";

/** SGP.22 §5.5.1: the subset of a control reference template that key agreement needs */
export const ControlRefTemplate = seq({
  keyType: implicit(0x80, Octet1),
  keyLen: implicit(0x81, Octet1),
  hostId: implicit(0x84, OctetTo16),
});
export type ControlRefTemplate = Infer<typeof ControlRefTemplate>;

/** SGP.22 §5.5.1; smdpSign covers the four TLVs before it and the eUICC's one-time key, without the header BF23 */
export const InitialiseSecureChannelRequest = seq(
  {
    remoteOpId: RemoteOpId,
    transactionId: implicit(0x80, TransactionId),
    controlRefTemplate: implicit(0xa6, ControlRefTemplate),
    smdpOtpk: octets(0x5f49),
    smdpSign: octets(0x5f37),
  },
  0xbf23,
);
export type InitialiseSecureChannelRequest = Infer<typeof InitialiseSecureChannelRequest>;

/** The input of smdpSign under the header BF23, as some tools print it. */
export const InitialiseSecureChannelRequestVer = seq(
  {
    remoteOpId: RemoteOpId,
    transactionId: implicit(0x80, TransactionId),
    controlRefTemplate: implicit(0xa6, ControlRefTemplate),
    smdpOtpk: octets(0x5f49),
    euiccOtpk: octets(0x5f49),
  },
  0xbf23,
);
export type InitialiseSecureChannelRequestVer = Infer<typeof InitialiseSecureChannelRequestVer>;

/** SGP.22 §5.5.2 */
export const ConfigureISDPRequest = seq({ dpProprietaryData: optional(implicit(0xb8, DpProprietaryData)) }, 0xbf24);
export type ConfigureISDPRequest = Infer<typeof ConfigureISDPRequest>;

/** SGP.22 §5.5.4 */
export const ReplaceSessionKeysRequest = seq(
  {
    initialMacChainingValue: alsoTag(octets(0x80), 0x04),
    ppkEnc: alsoTag(octets(0x81), 0x04),
    ppkCmac: alsoTag(octets(0x82), 0x04),
  },
  0xbf26,
);
export type ReplaceSessionKeysRequest = Infer<typeof ReplaceSessionKeysRequest>;

/** SGP.22 §2.5.4; it is sent to the eUICC in slices of its original octets, never encoded again */
export const BoundProfilePackage = seq(
  {
    initialiseSecureChannelRequest: signed(InitialiseSecureChannelRequest),
    firstSequenceOf87: seqOf(octets(0x87), 0xa0),
    sequenceOf88: seqOf(octets(0x88), 0xa1),
    secondSequenceOf87: optional(seqOf(octets(0x87), 0xa2)),
    sequenceOf86: seqOf(octets(0x86), 0xa3),
  },
  0xbf36,
);
export type BoundProfilePackage = Infer<typeof BoundProfilePackage>;
