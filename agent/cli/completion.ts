// What a shell offers while a line is typed, made from the table of verbs: a tree of words, written down for bash, zsh and fish. Pure.
import { globalOptions } from "./options.ts";
import { optionsOf, type Verb, type VerbOption } from "./verb.ts";

export const shells = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof shells)[number];

interface Place {
  /** What stands before it: "", "profile", "profile list" */
  readonly path: string;
  readonly words: readonly { readonly word: string; readonly help: string }[];
  /** --long and -s, of the verb that ends here. */
  readonly options: readonly string[];
}

const flagsOf = ({ flags }: VerbOption): readonly string[] => flags.match(/(?<![\w-])--?[a-z][a-z-]*/g) ?? [];
const takesValue = ({ flags }: VerbOption): boolean => /[<[]/.test(flags);

function places(verbs: readonly Verb[]): readonly Place[] {
  const found = new Map<string, Map<string, string>>([["", new Map()]]);
  for (const { name, summary, args = [] } of verbs) {
    const parts = name.split(" ");
    for (const [i, word] of parts.entries()) {
      const path = parts.slice(0, i).join(" ");
      const here = found.get(path) ?? new Map<string, string>();
      found.set(path, here);
      if (!here.has(word)) here.set(word, i === parts.length - 1 ? summary : `${word} …`);
    }
    found.set(name, new Map((args[0]?.choices ?? []).map((choice) => [choice, args[0]?.help ?? ""])));
  }
  return [...found].map(([path, words]) => {
    const verb = verbs.find(({ name }) => name === path);
    return {
      path,
      words: [...words].map(([word, help]) => ({ word, help })),
      options: verb === undefined ? [] : optionsOf(verb).flatMap(flagsOf),
    };
  });
}

const globalFlags = [...globalOptions.flatMap(flagsOf), "--help", "--version"];

/** Options behind which a value stands: it is no word of the verb. */
function valueFlags(verbs: readonly Verb[]): readonly string[] {
  return [...new Set([...globalOptions, ...verbs.flatMap((verb) => optionsOf(verb))].filter(takesValue).flatMap(flagsOf))].sort();
}

export function completionFor(shell: Shell, verbs: readonly Verb[]): string {
  return { bash, zsh, fish }[shell](verbs);
}

/** What both shells of Bourne's kind do alike: the words typed so far as a path, then what may follow it. */
function table(verbs: readonly Verb[]): string {
  const cases = places(verbs).map(
    ({ path, words, options }) =>
      `    "${path}") words="${words.map(({ word }) => word).join(" ")}" options="${options.join(" ")}"; return 0 ;;\n`,
  );
  return `_simward_table() {\n  case "$1" in\n${cases.join("")}  esac\n  return 1\n}\n`;
}

/** Takes the last word away until the rest is a place: behind a verb's name its arguments stand. */
const lookUp = `  while ! _simward_table "$path"; do
    case "$path" in *" "*) path="\${path% *}" ;; *) words="" options=""; break ;; esac
  done
`;

function bash(verbs: readonly Verb[]): string {
  return `# bash completion for simward; made by: simward completion bash
${table(verbs)}_simward() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" path="" words="" options="" i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "\${COMP_WORDS[i]}" in
      ${valueFlags(verbs).join("|")}) i=$((i + 1)) ;;
      -*) ;;
      *) path="$path\${path:+ }\${COMP_WORDS[i]}" ;;
    esac
  done
${lookUp}  case "$cur" in -*) words="$options ${globalFlags.join(" ")}" ;; esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o default -F _simward simward
`;
}

function zsh(verbs: readonly Verb[]): string {
  // `path` and `words` are zsh's own.
  const own = (text: string): string => text.replace(/\bpath\b/g, "at").replace(/\bwords\b/g, "follow");
  return `#compdef simward
# zsh completion for simward; made by: simward completion zsh
${own(table(verbs))}_simward() {
  local cur="\${words[CURRENT]}" at="" follow="" options="" i
  for ((i = 2; i < CURRENT; i++)); do
    case "\${words[i]}" in
      ${valueFlags(verbs).join("|")}) i=$((i + 1)) ;;
      -*) ;;
      *) at="$at\${at:+ }\${words[i]}" ;;
    esac
  done
${own(lookUp)}  case "$cur" in -*) follow="$options ${globalFlags.join(" ")}" ;; esac
  if [ -n "$follow" ]; then compadd -- \${=follow}; else _files; fi
}
if [ "\${funcstack[1]:-}" = _simward ]; then _simward "$@"; elif whence compdef > /dev/null; then compdef _simward simward; fi
`;
}

function fish(verbs: readonly Verb[]): string {
  const quoted = (text: string): string => `'${text.replace(/[\\']/g, "\\$&")}'`;
  const lines = places(verbs).flatMap(({ path, words, options }) => [
    ...words.map(({ word, help }) => `complete -c simward -f -n ${quoted(`__simward_at "${path}"`)} -a ${word} -d ${quoted(help)}`),
    ...options
      .filter((flag) => flag.startsWith("--"))
      .map((flag) => `complete -c simward -n ${quoted(`__simward_at "${path}"`)} -l ${flag.slice(2)}`),
  ]);
  return `# fish completion for simward; made by: simward completion fish
function __simward_at
  set -l path
  set -l skip 0
  for word in (commandline -opc)[2..-1]
    if test $skip = 1; set skip 0; continue; end
    switch $word
      case ${valueFlags(verbs).join(" ")}
        set skip 1
      case '-*'
      case '*'
        set -a path $word
    end
  end
  test "$path" = "$argv[1]"
end
${lines.join("\n")}
${globalFlags.map((flag) => `complete -c simward -l ${flag.slice(2)}`).join("\n")}
`;
}
