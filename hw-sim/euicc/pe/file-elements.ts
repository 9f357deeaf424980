// The profile elements that make files after a template (TCA §8.3): per element its head, the template, then one field a file, in the
// order of their tags. A field with `!` must be there.
import { type Fields, implicit, oid, optional, seq, type Type } from "../../../ipa/asn1/schema.ts";
import { contextTag, File, PEHeader } from "./common.ts";

/** A decoded element of this kind. */
export interface FilesElement {
  readonly header: PEHeader;
  readonly templateID: string;
  /** By field name, e.g. "ef-imsi"; only those that are there. */
  readonly files: ReadonlyMap<string, File>;
}

const usimBasics = `ef-keys ef-keysPS ef-hpplmn`;
const phonebook = `ef-pbr ef-ext1 ef-aas ef-gas ef-psc ef-cc ef-puid ef-iap ef-adn ef-pbc ef-anr ef-puri ef-email ef-sne ef-uid ef-grp ef-ccp1`;
const fivegs = `ef-5gs3gpploci ef-5gsn3gpploci ef-5gs3gppnsc ef-5gsn3gppnsc ef-5gauthkeys ef-uac-aic ef-suci-calc-info ef-opl5g`;

export const PE_MF = filesElement("mf", `mf! ef-pl ef-iccid! ef-dir! ef-arr! ef-umpc`);
export const PE_CD = filesElement("cd", `df-cd! ef-launchpad ef-icon`);
export const PE_TELECOM = filesElement(
  "telecom",
  `df-telecom! ef-arr ef-rma ef-sume ef-ice-dn ef-ice-ff ef-psismsc df-graphics ef-img ef-iidf ef-ice-graphics ef-launch-scws ef-icon
   df-phonebook ${phonebook} df-multimedia ef-mml ef-mmdf df-mmss ef-mlpl ef-mspl ef-mmssmode df-mcs ef-mst ef-mcs-config
   df-v2x ef-vst ef-v2x-config ef-v2xp-pc5 ef-v2xp-Uu`,
);
export const PE_USIM = filesElement(
  "usim",
  `adf-usim! ef-imsi! ef-arr! ${usimBasics} ef-ust! ef-fdn ef-sms ef-smsp ef-smss ef-spn! ef-est! ef-start-hfn ef-threshold ef-psloci
   ef-acc! ef-fplmn ef-loci ef-ad ef-ecc! ef-netpar ef-epsloci ef-epsnsc`,
);
export const PE_OPT_USIM = filesElement(
  "optusim",
  `ef-li ef-acmax ef-acm ef-gid1 ef-gid2 ef-msisdn ef-puct ef-cbmi ef-cbmid ef-sdn ef-ext2 ef-ext3 ef-cbmir ef-plmnwact ef-oplmnwact
   ef-hplmnwact ef-dck ef-cnl ef-smsr ef-bdn ef-ext5 ef-ccp2 ef-ext4 ef-acl ef-cmi ef-ici ef-oci ef-ict ef-oct ef-vgcs ef-vgcss ef-vbs
   ef-vbss ef-emlpp ef-aaem ef-hiddenkey ef-pnn ef-opl ef-mbdn ef-ext6 ef-mbi ef-mwis ef-cfis ef-ext7 ef-spdi ef-mmsn ef-ext8 ef-mmsicp
   ef-mmsup ef-mmsucp ef-nia ef-vgcsca ef-vbsca ef-gbabp ef-msk ef-muk ef-ehplmn ef-gbanl ef-ehplmnpi ef-lrplmnsi ef-nafkca ef-spni
   ef-pnni ef-ncp-ip ef-ufc ef-nasconfig ef-uicciari ef-pws ef-fdnuri ef-bdnuri ef-sdnuri ef-ial ef-ips ef-ipd ef-epdgid
   ef-epdgselection ef-epdgidem ef-epdgselectionem ef-frompreferred ef-imsconfigdata ef-3gpppsdataoff ef-3gpppsdataoffservicelist
   ef-xcapconfigdata ef-earfcnlist ef-mudmidconfigdata ef-eaka`,
);
export const PE_PHONEBOOK = filesElement("phonebook", `df-phonebook! ${phonebook}`);
export const PE_GSM_ACCESS = filesElement("gsm-access", `df-gsm-access! ef-kc ef-kcgprs ef-cpbcch ef-invscan`);
export const PE_DF_5GS = filesElement(
  "df-5gs",
  `df-df-5gs! ${fivegs} ef-supinai ef-routing-indicator ef-ursp ef-tn3gppsnn ef-cag ef-sor-cmci ef-dri ef-5gsedrx ef-5gnswo-conf
   ef-mchpplmn ef-kausf-derivation`,
);
export const PE_DF_SAIP = filesElement("df-saip", `df-df-saip! ef-suci-calc-info-usim`);
export const PE_DF_SNPN = filesElement("df-snpn", `df-df-snpn! ef-pws-snpn`);
export const PE_DF_5GPROSE = filesElement(
  "df-5g-prose",
  `df-df-5g-prose! ef-5g-prose-st ef-5g-prose-dd ef-5g-prose-dc ef-5g-prose-u2nru ef-5g-prose-ru ef-5g-prose-uir`,
);
export const PE_ISIM = filesElement("isim", `adf-isim! ef-impi! ef-impu! ef-domain! ef-ist! ef-ad ef-arr!`);
export const PE_OPT_ISIM = filesElement(
  "optisim",
  `ef-pcscf ef-sms ef-smsp ef-smss ef-smsr ef-gbabp ef-gbanl ef-nafkca ef-uicciari ef-frompreferred ef-imsconfigdata ef-xcapconfigdata
   ef-webrtcuri ef-mudmidconfigdata`,
);
export const PE_CSIM = filesElement(
  "csim",
  `adf-csim! ef-arr! ef-call-count! ef-imsi-m! ef-imsi-t! ef-tmsi! ef-ah! ef-aop! ef-aloc! ef-cdmahome! ef-znregi! ef-snregi! ef-distregi!
   ef-accolc! ef-term! ef-acp! ef-prl! ef-ruimid! ef-csim-st! ef-spc! ef-otapaspc! ef-namlock! ef-ota! ef-sp! ef-esn-meid-me! ef-li!
   ef-usgind! ef-ad! ef-max-prl! ef-spcs! ef-mecrp! ef-home-tag! ef-group-tag! ef-specific-tag! ef-call-prompt!`,
);
export const PE_OPT_CSIM = filesElement(
  "optcsim",
  `ef-ssci ef-fdn ef-sms ef-smsp ef-smss ef-ssfc ef-spn ef-mdn ef-ecc ef-me3gpdopc ef-3gpdopm ef-sipcap ef-mipcap ef-sipupp ef-mipupp
   ef-sipsp ef-mipsp ef-sippapss ef-puzl ef-maxpuzl ef-hrpdcap ef-hrpdupp ef-csspr ef-atc ef-eprl ef-bcsmscfg ef-bcsmspref ef-bcsmstable
   ef-bcsmsp ef-bakpara ef-upbakpara ef-mmsn ef-ext8 ef-mmsicp ef-mmsup ef-mmsucp ef-auth-capability ef-3gcik ef-dck ef-gid1 ef-gid2
   ef-cdmacnl ef-sf-euimid ef-est ef-hidden-key ef-lcsver ef-lcscp ef-sdn ef-ext2 ef-ext3 ef-ici ef-oci ef-ext5 ef-ccp2 ef-applabels
   ef-model ef-rc ef-smscap ef-mipflags ef-3gpduppext ef-ipv6cap ef-tcpconfig ef-dgc ef-wapbrowsercp ef-wapbrowserbm ef-mmsconfig ef-jdl`,
);
export const PE_EAP = filesElement("eap", `df-eap! ef-eapkeys ef-eapstatus! ef-puid ef-ps ef-curid ef-reid ef-realm`);
export const PE_IoT = filesElement(
  "iot",
  `mf ef-pl ef-iccid ef-dir ef-arr ef-umpc adf-usim ef-imsi! ef-arr-usim ${usimBasics} ef-ust ef-start-hfn ef-threshold ef-psloci ef-acc!
   ef-fplmn ef-loci ef-ad ef-ecc ef-netpar`,
);
export const PE_OPT_IoT = filesElement(
  "optiot",
  `ef-fdn ef-sms ef-smsp ef-smss ef-spn ef-est ef-oplmnwact ef-hplmnwact ef-ehplmn ef-epsloci ef-epsnsc df-df-5gs ${fivegs} ef-supi-nai
   ef-routing-indicator ef-ursp ef-tn3gppsnn df-df-saip ef-suci-calc-info-usim`,
);

function filesElement(prefix: string, list: string): Type<FilesElement> {
  const names = list.trim().split(/\s+/);
  const headerName = `${prefix}-header`;
  const fields: Record<string, Fields[string]> = { [headerName]: implicit(0xa0, PEHeader), templateID: oid(0x81) };
  const fileNames = names.map((marked, index) => {
    const name = marked.replace("!", "");
    const type = implicit(contextTag(index + 2, true), File);
    fields[name] = marked.endsWith("!") ? type : optional(type);
    return name;
  });
  const inner = seq(fields);
  return {
    tags: inner.tags,
    shape: inner.shape,
    read: (tlv, context) => {
      const value = inner.read(tlv, context) as Readonly<Record<string, unknown>>;
      const present = fileNames.filter((name) => value[name] !== undefined);
      return {
        header: value[headerName] as PEHeader,
        templateID: value.templateID as string,
        files: new Map(present.map((name) => [name, value[name] as File])),
      };
    },
    write: ({ header, templateID, files }, path) =>
      inner.write({ [headerName]: header, templateID, ...Object.fromEntries(files) } as Parameters<typeof inner.write>[0], path),
  };
}
