/**
 * Commands that are printed to be pasted into a shell. What is quoted for eyes is not quoted for a shell, and keys come
 * from strangers: whatever a shell would not take letter for letter is quoted here, in the way of POSIX.
 */

/** Whoever came by `npm start` or npx has no `murmur` on the path. */
const COMMAND = process.env.npm_lifecycle_event === undefined ? "murmur" : "npx murmur";
/** An equals sign in front means something to zsh. */
const PLAIN = /^[\p{L}\p{N}_@%+:,./-][\p{L}\p{N}_@%+:,./=-]*$/u;
const VISIBLE = /^[\p{L}\p{N}\p{P}\p{S}\p{M} ]*$/u;
const ESCAPES: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\\": "\\\\" };

/** A word as a shell reads it back. No word of a command holds a zero: this one may not either. */
export function shellWord(word: string): string {
  if (PLAIN.test(word)) return word;
  if (VISIBLE.test(word)) return `'${word.replaceAll("'", "'\\''")}'`;
  return `$'${Array.from(word, escaped).join("")}'`;
}

/** Quotes, and what shells take for a look into their history, by number: not all of them take a backslash before it. */
function escaped(character: string): string {
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  if (VISIBLE.test(character) && character !== "'" && character !== "!") return character;
  return Array.from(Buffer.from(character), (byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}

/** Undefined and false: left out. True: an option that takes no value. */
export type WordedOptions = Readonly<Record<string, string | boolean | undefined>>;

/** `murmur` with a command, its arguments and options. An argument that begins with a dash is none behind `--` alone. */
export function commandLine(name: string, words: readonly string[], options: WordedOptions): string {
  const given = Object.entries(options).flatMap(([option, value]) => {
    if (value === undefined || value === false) return [];
    return value === true ? [`--${option}`] : [`--${option}`, shellWord(value)];
  });
  const quoted = words.map(shellWord);
  const isDashed = words.some((word) => word.startsWith("-"));
  return [COMMAND, name, ...(isDashed ? [...given, "--", ...quoted] : [...quoted, ...given])].join(" ");
}
