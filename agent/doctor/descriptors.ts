// A process that has used up its file descriptors can neither read nor write anything: told as that, and not as a disk's fault.

/** EMFILE: of this process; ENFILE: of the machine. */
export const isWithoutDescriptors = ({ message }: { readonly message: string }): boolean => /\b(EMFILE|ENFILE)\b/.test(message);

export const descriptorsMend = (): string =>
  `prlimit --nofile --pid ${process.pid}; ls /proc/${process.pid}/fd; set LimitNOFILE=4096 in its unit (systemctl edit simwardd), then systemctl restart simwardd`;
