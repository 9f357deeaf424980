#!/usr/bin/env bash
# Installs the outside programs that the tests use, where that may be done. Tests whose program is missing say so and are left out.
set -u
declare -A packages=([openssl]=openssl [gnutls-cli]=gnutls-bin [coap-client-openssl]=libcoap3-bin [systemd-analyze]=systemd [ip]=iproute2 [stdbuf]=coreutils [pcscd]=pcscd [vpcd-config]=vsmartcard-vpcd [opensc-tool]=opensc [curl]=curl [jq]=jq [strace]=strace [python3]=python3 [mmcli]=modemmanager [dbus-daemon]=dbus [udevadm]=udev [nft]=nftables [swanctl]=strongswan-swanctl [charon-systemd]=charon-systemd [chromium]=chromium [tshark]=tshark [tcpdump]=tcpdump [zsh]=zsh [fish]=fish [man]=man-db [flock]=util-linux)
plugins=/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so
missing=()
for program in "${!packages[@]}"; do command -v "$program" >/dev/null 2>&1 || missing+=("${packages[$program]}"); done
[ -e "$plugins" ] || missing+=(libcharon-extra-plugins libstrongswan-standard-plugins)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  echo "not installed, and only root may on Debian: ${missing[*]}; the tests that use them are left out"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || echo "could not be installed: ${missing[*]}; the tests that use them are left out"
exit 0
