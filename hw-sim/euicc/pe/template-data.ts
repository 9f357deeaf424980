// The files of TCA's templates (Annex A), by their OID under 2.23.143.1.2. A row: field of the profile element, file identifier,
// structure, size in octets (records x octets; ? where the profile must say, * as long as its contents), access rule, short identifier, and what it holds unless
// the profile says otherwise: FF.. fills with the last octet, FF..07 ends in 07, (…) repeats, - must be given.

const phonebook = `
df-phonebook      5F3A DF  -      14 -  -
ef-pbr            4F30 LF  ?      2  -  -
ef-ext1           4F38 LF  ?x13   5  -  00FF..
ef-aas            4F40 LF  ?      5  -  FF..
ef-gas            4F48 LF  ?      5  -  FF..
ef-psc            4F22 TR  4      5  -  00000000
ef-cc             4F23 TR  2      5  -  0000
ef-puid           4F24 TR  2      5  -  0000
ef-iap            4F50 LF  ?      5  -  FF..
ef-adn            4F58 LF  ?      5  -  FF..
ef-pbc            4F60 LF  ?x2    5  -  00..
ef-anr            4F68 LF  ?      5  -  FF..
ef-puri           4F70 LF  ?      5  -  -
ef-email          4F78 LF  ?      5  -  FF..
ef-sne            4F80 LF  ?      5  -  FF..
ef-uid            4F88 LF  ?x2    5  -  0000
ef-grp            4F90 LF  ?      5  -  00..
ef-ccp1           4F98 LF  ?      5  -  FF..
`;

const telecom = `
df-telecom        7F10 DF  -      14 -  -
ef-arr            6F06 LF  ?      10 -  -
ef-rma            6F53 LF  ?      3  -  -
ef-sume           6F54 TR  22     3  -  -
ef-ice-dn         6FE0 LF  50x24  9  -  FF..
ef-ice-ff         6FE1 LF  ?      9  -  FF..
ef-psismsc        6FE5 LF  ?      5  -  -
df-graphics       5F50 DF  -      14 -  -
ef-img            4F20 LF  ?      2  -  00FF..
ef-iidf           4F40 TR  ?      2  -  FF..
ef-ice-graphics   4F21 BT  ?      9  -  -
ef-launch-scws    4F01 TR  ?      10 -  -
ef-icon           4F80 TR  ?      10 -  -
${phonebook}
df-multimedia     5F3B DF  -      14 -  -
ef-mml            4F47 BT  ?      5  -  -
ef-mmdf           4F48 BT  ?      5  -  -
df-mmss           5F3C DF  -      14 -  -
ef-mlpl           4F20 TR  ?      2  01 -
ef-mspl           4F21 TR  ?      2  02 -
ef-mmssmode       4F22 TR  1      2  03 -
`;

const telecomV2 = `${telecom}
df-mcs            5F3D DF  -      14 -  -
ef-mst            4F01 TR  ?      2  01 -
ef-mcs-config     4F02 BT  ?      2  02 -
df-v2x            5F3E DF  -      14 -  -
ef-vst            4F01 TR  ?      2  01 -
ef-v2x-config     4F02 BT  ?      2  02 -
ef-v2xp-pc5       4F03 TR  ?      2  -  -
ef-v2xp-Uu        4F04 TR  ?      2  -  -
`;

/** `ust` is the size of EF.UST, which is all that differs between the versions. */
const usim = (ust: number): string => `
adf-usim          -    ADF -      14 -  -
ef-imsi           6F07 TR  9      2  07 -
ef-arr            6F06 LF  ?      10 17 -
ef-keys           6F08 TR  33     5  08 07FF..
ef-keysPS         6F09 TR  33     5  09 07FF..
ef-hpplmn         6F31 TR  1      2  12 0A
ef-ust            6F38 TR  ${ust} 2  04 -
ef-fdn            6F3B LF  20x26  8  -  FF..
ef-sms            6F3C LF  10x176 5  -  00FF..
ef-smsp           6F42 LF  1x38   5  -  FF..
ef-smss           6F43 TR  2      5  -  FFFF
ef-spn            6F46 TR  17     10 -  -
ef-est            6F56 TR  1      8  05 -
ef-start-hfn      6F5B TR  6      5  0F F00000F00000
ef-threshold      6F5C TR  3      2  10 FFFFFF
ef-psloci         6F73 TR  14     5  0C FFFFFFFFFFFFFFFFFFFF0000FF01
ef-acc            6F78 TR  2      2  06 -
ef-fplmn          6F7B TR  12     5  0D FF..
ef-loci           6F7E TR  11     5  0B FFFFFFFFFFFFFF0000FF01
ef-ad             6FAD TR  4      10 03 00000002
ef-ecc            6FB7 LF  1x4    10 01 -
ef-netpar         6FC4 TR  128    5  -  FF..
ef-epsloci        6FE3 TR  18     5  1E FFFFFFFFFFFFFFFFFFFFFFFFFFFFFF000001
ef-epsnsc         6FE4 LF  1x80   5  18 FF..
`;

const optUsim = `
ef-li             6F05 TR  6      1  02 FF..
ef-acmax          6F37 TR  3      5  -  000000
ef-acm            6F39 CY  1x3    7  -  000000
ef-gid1           6F3E TR  8      2  -  -
ef-gid2           6F3F TR  8      2  -  -
ef-msisdn         6F40 LF  1x24   2  -  FF..
ef-puct           6F41 TR  5      5  -  FFFFFF0000
ef-cbmi           6F45 TR  10     5  -  FF..
ef-cbmid          6F48 TR  10     2  0E FF..
ef-sdn            6F49 LF  10x24  2  -  FF..
ef-ext2           6F4B LF  10x13  8  -  00FF..
ef-ext3           6F4C LF  10x13  2  -  00FF..
ef-cbmir          6F50 TR  20     5  -  FF..
ef-plmnwact       6F60 TR  40     5  0A (FFFFFF0000)
ef-oplmnwact      6F61 TR  40     2  11 (FFFFFF0000)
ef-hplmnwact      6F62 TR  5      2  13 FFFFFF0000
ef-dck            6F2C TR  16     5  -  FF..
ef-cnl            6F32 TR  30     2  -  FF..
ef-smsr           6F47 LF  10x30  5  -  00FF..
ef-bdn            6F4D LF  10x25  8  -  FF..
ef-ext5           6F4E LF  10x13  5  -  00FF..
ef-ccp2           6F4F LF  5x15   5  16 FF..
ef-ext4           6F55 LF  10x13  8  -  00FF..
ef-acl            6F57 TR  101    8  -  00FF..
ef-cmi            6F58 LF  10x11  2  -  FF..
ef-ici            6F80 CY  20x38  5  14 FF..0000000001FFFF
ef-oci            6F81 CY  20x37  5  15 FF..00000001FFFF
ef-ict            6F82 CY  1x3    7  -  000000
ef-oct            6F83 CY  1x3    7  -  000000
ef-vgcs           6FB1 TR  20     2  -  -
ef-vgcss          6FB2 TR  7      5  -  -
ef-vbs            6FB3 TR  20     2  -  -
ef-vbss           6FB4 TR  7      5  -  -
ef-emlpp          6FB5 TR  2      2  -  -
ef-aaem           6FB6 TR  1      5  -  00
ef-hiddenkey      6FC3 TR  4      5  -  FF..
ef-pnn            6FC5 LF  10x16  10 19 -
ef-opl            6FC6 LF  5x8    10 1A -
ef-mbdn           6FC7 LF  3x24   5  -  -
ef-ext6           6FC8 LF  10x13  5  -  00FF..
ef-mbi            6FC9 LF  10x5   5  -  -
ef-mwis           6FCA LF  10x6   5  -  00..
ef-cfis           6FCB LF  10x16  5  -  0100FF..
ef-ext7           6FCC LF  10x13  5  -  00FF..
ef-spdi           6FCD TR  17     2  1B -
ef-mmsn           6FCE LF  10x6   5  -  000000FF..
ef-ext8           6FCF LF  10x13  5  -  00FF..
ef-mmsicp         6FD0 TR  100    2  -  FF..
ef-mmsup          6FD1 LF  ?      5  -  FF..
ef-mmsucp         6FD2 TR  100    5  -  FF..
ef-nia            6FD3 LF  5x11   2  -  FF..
ef-vgcsca         6FD4 TR  ?      2  -  00..
ef-vbsca          6FD5 TR  ?      2  -  00..
ef-gbabp          6FD6 TR  ?      5  -  FF..
ef-msk            6FD7 LF  ?      2  -  FF..
ef-muk            6FD8 LF  ?      2  -  FF..
ef-ehplmn         6FD9 TR  15     2  1D FF..
ef-gbanl          6FDA LF  ?      2  -  FF..
ef-ehplmnpi       6FDB TR  1      2  -  00
ef-lrplmnsi       6FDC TR  1      2  -  00
ef-nafkca         6FDD LF  ?      2  -  FF..
ef-spni           6FDE TR  ?      10 -  00FF..
ef-pnni           6FDF LF  ?      10 -  00FF..
ef-ncp-ip         6FE2 LF  ?      2  -  -
ef-ufc            6FE6 TR  30     10 -  801E60C01E900080040000000000000000F0000000004000000000000080
ef-nasconfig      6FE8 TR  18     2  -  -
ef-uicciari       6FE7 LF  ?      2  -  -
ef-pws            6FEC TR  ?      10 -  -
ef-fdnuri         6FED LF  ?      8  -  FF..
ef-bdnuri         6FEE LF  ?      8  -  FF..
ef-sdnuri         6FEF LF  ?      2  -  FF..
ef-ial            6FF0 LF  ?      3  -  FF..
ef-ips            6FF1 CY  ?x4    10 -  FF..
ef-ipd            6FF2 LF  ?      3  -  FF..
`;

const optUsimV2 = `${optUsim}
ef-epdgid         6FF3 TR  ?      2  -  -
ef-epdgselection  6FF4 TR  ?      2  -  -
ef-epdgidem       6FF5 TR  ?      2  -  -
ef-epdgselectionem 6FF6 TR ?      2  -  -
ef-frompreferred  6FF7 TR  1      2  -  00
ef-imsconfigdata  6FF8 BT  ?      2  -  -
ef-3gpppsdataoff  6FF9 TR  4      2  -  -
ef-3gpppsdataoffservicelist 6FFA LF ? 2 - -
ef-xcapconfigdata 6FFC BT  ?      2  -  -
ef-earfcnlist     6FFD TR  ?      10 -  -
ef-mudmidconfigdata 6FFE BT ?     2  -  -
`;

/** `nsc` is the size of the two security contexts, which grew in the third version. */
const df5gs = (nsc: string): string => `
df-df-5gs         5FC0 DF  -      14 -  -
ef-5gs3gpploci    4F01 TR  20     5  01 FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000001
ef-5gsn3gpploci   4F02 TR  20     5  02 FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000001
ef-5gs3gppnsc     4F03 LF  ${nsc} 5  03 FF..
ef-5gsn3gppnsc    4F04 LF  ${nsc} 5  04 FF..
ef-5gauthkeys     4F05 TR  110    5  05 -
ef-uac-aic        4F06 TR  4      2  06 -
ef-suci-calc-info 4F07 TR  ?      2  07 FF..
ef-opl5g          4F08 LF  ?x10   10 08 FF..
ef-supinai        4F09 TR  ?      2  09 -
ef-routing-indicator 4F0A TR 4    2  0A F0FFFFFF
`;
const df5gsV2 = (nsc: string): string => `${df5gs(nsc)}
ef-ursp           4F0B BT  ?      2  -  -
ef-tn3gppsnn      4F0C TR  1      2  0C 00
`;
const df5gsV4 = `${df5gsV2("2x62")}
ef-cag            4F0D TR  ?      2  0D -
ef-sor-cmci       4F0E TR  ?      2  -  -
ef-dri            4F0F TR  7      2  0F -
ef-5gsedrx        4F10 TR  2      2  10 -
ef-5gnswo-conf    4F11 TR  1      2  11 -
ef-mchpplmn       4F15 TR  1      2  15 -
ef-kausf-derivation 4F16 TR 1     2  16 -
`;

const optIsim = `
ef-pcscf          6F09 LF  1x?    2  -  -
ef-sms            6F3C LF  10x176 5  -  00FF..
ef-smsp           6F42 LF  1x38   5  -  FF..
ef-smss           6F43 TR  2      5  -  FFFF
ef-smsr           6F47 LF  10x30  5  -  00FF..
ef-gbabp          6FD5 TR  ?      5  -  FF..
ef-gbanl          6FD7 LF  ?      2  -  FF..
ef-nafkca         6FDD LF  ?      2  -  FF..
ef-uicciari       6FE7 LF  ?      2  -  -
`;

/** Sizes as in 3GPP2 C.S0065 where it fixes them. */
const csim = `
adf-csim          -    ADF -      14 -  -
ef-arr            6F06 LF  ?      10 -  -
ef-call-count     6F21 CY  1x2    5  -  0000
ef-imsi-m         6F22 TR  10     2  -  -
ef-imsi-t         6F23 TR  10     2  -  -
ef-tmsi           6F24 TR  16     5  -  -
ef-ah             6F25 TR  *      2  -  -
ef-aop            6F26 TR  *      2  -  -
ef-aloc           6F27 TR  *      2  -  -
ef-cdmahome       6F28 LF  1x*    2  -  -
ef-znregi         6F29 LF  1x*    5  -  -
ef-snregi         6F2A TR  *      5  -  -
ef-distregi       6F2B TR  *      5  -  -
ef-accolc         6F2C TR  1      2  -  -
ef-term           6F2D TR  *      2  -  -
ef-acp            6F2F TR  *      2  -  -
ef-prl            6F30 TR  *      5  -  -
ef-ruimid         6F31 TR  8      10 -  -
ef-csim-st        6F32 TR  *      2  -  -
ef-spc            6F33 TR  3      10 -  -
ef-otapaspc       6F34 TR  1      5  -  -
ef-namlock        6F35 TR  1      5  -  -
ef-ota            6F36 TR  *      10 -  -
ef-sp             6F37 TR  1      5  -  -
ef-esn-meid-me    6F38 TR  8      5  -  -
ef-li             6F3A TR  *      1  -  -
ef-usgind         6F42 TR  1      2  -  -
ef-ad             6F43 TR  *      10 -  -
ef-max-prl        6F45 TR  *      2  -  -
ef-spcs           6F46 TR  1      2  -  -
ef-mecrp          6F55 TR  3      5  -  -
ef-home-tag       6F70 TR  *      10 -  -
ef-group-tag      6F71 TR  *      10 -  -
ef-specific-tag   6F72 TR  *      10 -  -
ef-call-prompt    6F73 TR  *      10 -  -
`;

const optCsim = [
  "ef-ssci 6F2E TR 5|ef-fdn 6F3B LF 8|ef-sms 6F3C LF 5|ef-smsp 6F3D LF 5|ef-smss 6F3E TR 5|ef-ssfc 6F3F TR 5|ef-spn 6F41 TR 10",
  "ef-mdn 6F44 LF 5|ef-ecc 6F47 TR 10|ef-me3gpdopc 6F48 TR 5|ef-3gpdopm 6F49 TR 5|ef-sipcap 6F4A TR 2|ef-mipcap 6F4B TR 2",
  "ef-sipupp 6F4C TR 5|ef-mipupp 6F4D TR 5|ef-sipsp 6F4E TR 5|ef-mipsp 6F4F TR 5|ef-sippapss 6F50 TR 5|ef-puzl 6F53 TR 5",
  "ef-maxpuzl 6F54 TR 5|ef-hrpdcap 6F56 TR 2|ef-hrpdupp 6F57 TR 5|ef-csspr 6F58 TR 2|ef-atc 6F59 TR 2|ef-eprl 6F5A TR 5",
  "ef-bcsmscfg 6F5B TR 2|ef-bcsmspref 6F5C TR 5|ef-bcsmstable 6F5D LF 2|ef-bcsmsp 6F5E LF 5|ef-bakpara 6F63 LF 2",
  "ef-upbakpara 6F64 CY 2|ef-mmsn 6F65 LF 5|ef-ext8 6F66 LF 5|ef-mmsicp 6F67 TR 2|ef-mmsup 6F68 LF 5|ef-mmsucp 6F69 TR 5",
  "ef-auth-capability 6F6A LF 5|ef-3gcik 6F6B TR 5|ef-dck 6F6C TR 5|ef-gid1 6F6D TR 2|ef-gid2 6F6E TR 2|ef-cdmacnl 6F6F TR 2",
  "ef-sf-euimid 6F74 TR 10|ef-est 6F75 TR 8|ef-hidden-key 6F76 TR 5|ef-lcsver 6F77 TR 10|ef-lcscp 6F78 TR 2|ef-sdn 6F79 LF 2",
  "ef-ext2 6F7A LF 8|ef-ext3 6F7B LF 2|ef-ici 6F7C CY 5|ef-oci 6F7D CY 5|ef-ext5 6F7E LF 5|ef-ccp2 6F7F LF 5|ef-applabels 6F80 TR 2",
  "ef-model 6F81 TR 5|ef-rc 6F82 TR 2|ef-smscap 6F83 TR 2|ef-mipflags 6F84 TR 2|ef-3gpduppext 6F85 TR 5|ef-ipv6cap 6F87 TR 2",
  "ef-tcpconfig 6F88 TR 2|ef-dgc 6F89 TR 2|ef-wapbrowsercp 6F8A TR 2|ef-wapbrowserbm 6F8B TR 5|ef-mmsconfig 6F8C TR 2|ef-jdl 6F8D TR 2",
]
  .flatMap((line) => line.split("|"))
  .map((row) => row.replace(/^(\S+ \S+ \S+) (\d+)$/, "$1 * $2 - -"))
  .join("\n");

/** `byDefault`: all files of the template are made unless the profile forbids it, else only those it lists. */
export interface TemplateSource {
  readonly byDefault: boolean;
  readonly rows: string;
}

const made = (rows: string): TemplateSource => ({ byDefault: true, rows });
const listed = (rows: string): TemplateSource => ({ byDefault: false, rows });

/** By the arcs after 2.23.143.1. */
export const templateSources: Readonly<Record<string, TemplateSource>> = {
  "2.1": made(`
mf                3F00 MF  -      14 -  -
ef-pl             2F05 TR  2      1  05 FF..
ef-iccid          2FE2 TR  10     11 02 -
ef-dir            2F00 LF  ?      10 1E -
ef-arr            2F06 LF  ?      10 06 -
ef-umpc           2F08 TR  5      10 08 -
`),
  "2.2": listed(`
df-cd             7F11 DF  -      14 -  -
ef-launchpad      6F01 TR  ?      2  -  -
ef-icon           6F40 TR  ?      2  -  -
`),
  "2.3": listed(telecom),
  "2.3.2": listed(telecomV2),
  "2.4": made(usim(14)),
  "2.4.2": made(usim(17)),
  "2.5": listed(optUsim),
  "2.5.2": listed(optUsimV2),
  "2.5.3": listed(`${optUsimV2}\nef-eaka           6F01 TR  1      2  -  -\n`),
  "2.6": listed(phonebook),
  "2.7": listed(`
df-gsm-access     5F3B DF  -      14 -  -
ef-kc             4F20 TR  9      5  01 FF..07
ef-kcgprs         4F52 TR  9      5  02 FF..07
ef-cpbcch         4F63 TR  10     5  -  FF..
ef-invscan        4F64 TR  1      2  -  00
`),
  "2.8": made(`
adf-isim          -    ADF -      14 -  -
ef-impi           6F02 TR  ?      2  02 -
ef-impu           6F04 LF  1x?    2  04 -
ef-domain         6F03 TR  ?      2  05 -
ef-ist            6F07 TR  14     2  07 -
ef-ad             6FAD TR  3      10 03 000000
ef-arr            6F06 LF  ?      10 06 -
`),
  "2.9": listed(optIsim),
  "2.9.2": listed(`${optIsim}
ef-frompreferred  6FF7 TR  1      2  -  00
ef-imsconfigdata  6FF8 BT  ?      2  -  -
ef-xcapconfigdata 6FFC BT  ?      2  -  -
ef-webrtcuri      6FFA LF  ?      2  -  -
ef-mudmidconfigdata 6FFE BT ?     2  -  -
`),
  "2.10": made(csim),
  "2.10.2": made(csim),
  "2.11": listed(optCsim),
  "2.11.2": listed(optCsim),
  "2.12": listed(`
df-eap            -    DF  -      14 -  -
ef-eapkeys        4F01 TR  *      2  -  -
ef-eapstatus      4F02 TR  1      2  -  00
ef-puid           4F03 TR  *      2  -  -
ef-ps             4F04 TR  *      5  -  FF..
ef-curid          4F20 TR  *      5  -  FF..
ef-reid           4F21 TR  *      5  -  -
ef-realm          4F22 TR  *      5  -  -
`),
  "2.13": listed(df5gs("1x57")),
  "2.13.2": listed(df5gsV2("1x57")),
  "2.13.3": listed(df5gsV2("2x62")),
  "2.13.4": listed(df5gsV4),
  "2.14": listed(`
df-df-saip        5FD0 DF  -      14 -  -
ef-suci-calc-info-usim 4F01 TR ?  3  -  FF..
`),
  "2.15": listed(`
df-df-snpn        5FE0 DF  -      14 -  -
ef-pws-snpn       4F01 TR  1      10 01 -
`),
};
