// What the errors of orders mean: why a download failed, why the eUICC did not carry a package out, by the codes that were recorded. Tables; pure.

export interface Meaning {
  /** Of the code and message of an error, or the name of a result. */
  readonly fits: RegExp;
  readonly words: string;
  readonly mend: string;
}

/** The first that fits. */
export function meaningOf(table: readonly Meaning[], text: string): Meaning | undefined {
  return table.find(({ fits }) => fits.test(text));
}

const order = "then have it ordered again: simward eim poll";

/** By the step that failed and its error: "authenticatingClient ESIPA_REFUSED the eIM refused: …". */
export const downloadMeanings: readonly Meaning[] = [
  {
    fits: /insufficientMemory|InsufficientMemory/,
    words: "the eUICC's memory is full",
    mend: `simward card info; simward profile list; have a profile that is not needed deleted, ${order}`,
  },
  {
    fits: /IccidAlreadyExists/,
    words: "this profile is on the eUICC already",
    mend: "simward profile list; have the eIM enable that one, or the operator issue another profile",
  },
  {
    fits: /confirmationCodeRetriesExceeded|8\.2\.7\/6\.4/,
    words: "the SM-DP+ has been given a wrong confirmation code too often, and takes this order no more",
    mend: "have the operator issue a new activation code, and its confirmation code; then have it ordered again: simward eim poll",
  },
  {
    fits: /confirmationCodeRefused|8\.2\.7\/3\.8/,
    words: "the SM-DP+ does not take the confirmation code",
    mend: "have the eIM's operator, or rsp.confirmation_code_credential, give the one that belongs to this activation code, before the SM-DP+ has had enough of wrong ones; then have it ordered again: simward eim poll",
  },
  {
    fits: /downloadOrderExpired|8\.8\.5\/4\.10/,
    words: "the SM-DP+ has let the order of this profile expire",
    mend: "have the operator release the order again, or issue a new activation code",
  },
  {
    fits: /bppRebindingRefused/,
    words: "the SM-DP+ has bound this profile to an earlier attempt and does not bind it anew",
    mend: "have the operator release the order again, or issue a new activation code",
  },
  {
    fits: /confirmation code|confirmationCodeMissing|8\.2\.7\/2\.2/,
    words: "the profile wants a confirmation code, and there is none",
    mend: "set rsp.confirmation_code_credential and systemctl restart simwardd; or have the operator issue a profile without one",
  },
  {
    fits: /rsp\.ci_dir/,
    words: "there is no certificate of a CI that the eUICC believes, by which the SM-DP+ could be known",
    mend: "simward card certs; put that CI's certificate into the directory that rsp.ci_dir names; systemctl restart simwardd",
  },
  {
    fits: /not under the CI/,
    words: "the certificate of the SM-DP+ is of a CI that does not count here",
    mend: "simward card certs; have the operator serve this profile from an SM-DP+ under a CI that the eUICC believes",
  },
  {
    fits: /ciPKUnknown|8\.8\.2\/3\.1/,
    words: "SM-DP+ and eUICC have no CI in common",
    mend: "simward card certs; have the operator serve this profile from an SM-DP+ under a CI that the eUICC believes",
  },
  {
    fits: /invalidCertificate|TLS_EXPIRED|TLS_UNTRUSTED|TLS_HOST_MISMATCH|invalidOid/,
    words: "the certificate of the SM-DP+ is not accepted: it has expired, or is of a foreign CI",
    mend: "date -u; simward card certs; where the time is right, have the operator of the SM-DP+ look at its certificate",
  },
  {
    fits: /invalidSignature|invalidTransactionId|euiccChallengeMismatch|another transaction|scp03t/,
    words: "what the SM-DP+ signed does not verify: it was altered on the way, or the SM-DP+ is not the one that it says",
    mend: "simward package last; have the operator of the SM-DP+ look at its keys and certificates",
  },
  {
    fits: /matchingIdRefused|8\.2\.6\/|8\.2\.5\/|8\.10/,
    words: "the SM-DP+ does not take the activation code: it was used before, is of another eUICC, or never was",
    mend: "have the operator release the order again, or issue a new activation code",
  },
  {
    fits: /^\S* ?POLICY_REFUSED/,
    words: "a policy of the fleet forbade it",
    mend: "simward policy explain; simward audit tail --event policy.",
  },
  {
    fits: /pprNotAllowed|PprNotAllowed|endUserRejection|profile policy rule/i,
    words: "the profile has policy rules that the eUICC, or rsp.ppr_consent, does not allow",
    mend: "simward package last; have the operator issue the profile without those rules, or set rsp.ppr_consent",
  },
  {
    fits: /metadata|DataMismatch/i,
    words: "the profile is not the one that the SM-DP+ announced",
    mend: "simward package last; have the operator of the SM-DP+ look into it",
  },
  {
    fits: /(HTTP_TIMEOUT|HTTP_CONNECT|HTTP_CLOSED|UDP_UNREACHABLE|DNS_\w+).*(ES9|SM-DP|smdp)?/,
    words: "the SM-DP+ does not answer",
    mend: `simward net probe; have the operator let HTTPS to the SM-DP+ pass the APN, ${order}`,
  },
  {
    fits: /ESipa\.\w+: undefinedError/,
    words: "the eIM got no answer for it from the SM-DP+, or a refusal that it does not pass on",
    mend: `have the eIM's operator look whether the SM-DP+ answers; ${order}`,
  },
  {
    fits: /ESIPA_RESPONSE|HTTP_MESSAGE|ASN1_/,
    words: "the profile package, or an answer on the way to it, came cut off or malformed",
    mend: `simward trace esipa --last 20; have the operators of eIM and SM-DP+ compare what they sent; ${order}`,
  },
  {
    fits: /APDU_|PEProcessingError|installFailed|DOWNLOAD_FAILED/,
    words: "the eUICC did not take the profile package",
    mend: "simward package last; simward trace es10 --last 20; have the operator of the SM-DP+ look at the package",
  },
  { fits: /RSP_SERVER/, words: "the SM-DP+ refused", mend: "simward package last; ask the operator of the SM-DP+ what its refusal means" },
];

/** By the result and the error that was signed: "euiccPackageErrorSigned replayError". */
export const packageMeanings: readonly Meaning[] = [
  {
    fits: /replayError|counterValueOutOfRange/,
    words: "the eIM's counter is not above the eUICC's: the two have come out of step, as after a restored backup of the eIM",
    mend: "simward eim show; have the eIM's operator set its counterValue above the one shown, then simward eim poll",
  },
  {
    fits: /invalidEid/,
    words: "the package is made for another EID",
    mend: "simward card info --show-ids; have the eIM's operator compare the EID that it has for this vehicle",
  },
  {
    fits: /sizeOverflow/,
    words: "the package is larger than the eUICC takes",
    mend: "have the eIM's operator divide it into several packages",
  },
  { fits: /ecallActive/, words: "the emergency profile is enabled", mend: "simward emergency status; then have it ordered again" },
  {
    fits: /euiccPackageErrorUnsigned/,
    words: "the eUICC cannot verify it: it is signed with another key than the eUICC has of this eIM, or the association is another one",
    mend: "simward eim show; have the eIM's operator compare eimPublicKeyData and the association token with what it signs by",
  },
  {
    fits: /iccidOrAidNotFound/,
    words: "it is about a profile that is not on the eUICC",
    mend: "simward profile list --show-ids; have the eIM's operator order it for a profile that is there, or order the download first",
  },
  {
    fits: /disallowedByPolicy/,
    words: "the policy rules of a profile forbid it",
    mend: "simward profile list; have the profile's operator change its rules",
  },
  { fits: /catBusy/, words: "the card was busy with its toolkit", mend: "have the eIM order it again, then simward eim poll" },
  {
    fits: /profileNotInDisabledState|profileNotInEnabledState/,
    words: "the profile was not in the state that the eIM took it for",
    mend: "simward profile list; have the eIM's operator order anew by what is shown",
  },
];
