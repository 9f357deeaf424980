// Answers of the local API about the card: what it says of itself, its certificates, its eIMs, a package that was loaded by hand.

/** What simward can do with a card of this class. */
export interface CardClassReport {
  readonly schema: "simward/card-class/1";
  readonly class: "sgp32-ipad" | "sgp32-ipae" | "sgp22" | "sgp02" | "uicc";
  /** What it is told by. */
  readonly reason: string;
  readonly eid?: string;
  readonly can: readonly string[];
  readonly cannot: readonly string[];
}

/** EUICCInfo1 and EUICCInfo2 (SGP.22 §5.7.8, SGP.32 §5.9.2), versions as dotted numbers, octets in hex. */
export interface CardInfo {
  readonly schema: "simward/card/1";
  readonly class?: string;
  readonly eid?: string;
  readonly svn: string;
  readonly highestSvn?: string;
  readonly iotVersions: readonly string[];
  readonly ecallSupported: boolean;
  readonly fallbackSupported: boolean;
  readonly ipaMode?: string;
  readonly profileVersion: string;
  readonly firmware: string;
  readonly globalPlatform?: string;
  readonly javaCard?: string;
  readonly category?: string;
  readonly protectionProfile: string;
  readonly sasAccreditation: string;
  readonly freeNvmBytes?: number;
  readonly uiccCapabilities: readonly string[];
  readonly rspCapabilities: readonly string[];
  readonly forbiddenPprs: readonly string[];
  /** Subject key identifiers of the CIs whose certificates it trusts, and for which it signs. */
  readonly ciVerification: readonly string[];
  readonly ciSigning: readonly string[];
}

export interface CardCertificate {
  readonly name: "EUM" | "eUICC";
  readonly subject: string;
  readonly issuer: string;
  readonly serial: string;
  readonly notBefore: string;
  readonly notAfter: string;
  /** By the daemon's clock. */
  readonly valid: boolean;
  /** SHA-256 of the DER. */
  readonly sha256: string;
}

export interface CardCertificates {
  readonly schema: "simward/card-certs/1";
  readonly certificates: readonly CardCertificate[];
}

/** EimConfigurationData (SGP.32 §2.11.1.1), as the eUICC holds it. */
export interface EimConfiguration {
  readonly eimId: string;
  readonly fqdn?: string;
  readonly idType?: string;
  /** Of the last package that the eUICC took from it. */
  readonly counter?: number;
  readonly associationToken?: number;
  readonly protocols: readonly string[];
  /** SHA-256 of its public key's or certificate's DER. */
  readonly keyFingerprint?: string;
  readonly tlsTrust?: "publicKey" | "certificate";
  readonly tlsFingerprint?: string;
  readonly indirectDownload: boolean;
}

export interface EimConfigurations {
  readonly schema: "simward/eims/1";
  readonly eims: readonly EimConfiguration[];
}

export interface NotificationDropped {
  readonly schema: "simward/notification-dropped/1";
  readonly seqNumber: number;
  readonly event: string;
  readonly receiver: string;
  readonly remaining: number;
}

export interface PackageLoaded {
  readonly schema: "simward/package-loaded/1";
  /** Of the octets that were given. */
  readonly sha256: string;
  readonly octets: number;
  /** By the names of TransferEimPackageResponse (SGP.32 §6.3.3.1). */
  readonly outcome: "euiccPackageResult" | "ePRAndNotifications" | "ipaEuiccDataResponse" | "eimPackageReceived" | "eimPackageError";
  readonly error?: string;
  /** The BF4E answer in hex, for `simward package decode`. */
  readonly answer: string;
}
