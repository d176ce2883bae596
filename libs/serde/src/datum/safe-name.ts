const AVRO_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * A name that may stand in a schema for avsc, the same for the same text. Most names stay as they
 * are. Those that older registries took in beyond ASCII are refused by avsc, and members of every
 * object (`constructor`, `__proto__`) are found there before anybody defined them.
 */
export function safeName(text: string): string {
  if (AVRO_NAME.test(text) && !(text in Object.prototype)) return text
  const codes = Array.from(text, (character) => character.codePointAt(0)?.toString(16))
  return `renamed_${codes.join('_')}`
}
