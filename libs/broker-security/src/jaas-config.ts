/** What a client logs in with: the class of a module, and what it is told. */
export type JaasConfig = {
  readonly loginModule: string
  readonly options: ReadonlyMap<string, string>
}

/** A word, a quoted text, or one other character: what Java's `StreamTokenizer` makes of it. */
const TOKEN = /\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([\w.$-]+)|(\S))/gsy
const CONTROL_FLAGS = ['required', 'requisite', 'sufficient', 'optional']
const ESCAPE = /\\([0-3][0-7]{2}|[0-7]{1,2}|.)/gs
const ESCAPED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }

type Token = { readonly text: string; readonly isMark: boolean }

/**
 * Kafka's `sasl.jaas.config`: a login module, a flag, options, a semicolon; `"` and `'` quote.
 *
 * @throws {Error} that says what is missing, and quotes no value.
 */
export function parseJaasConfig(text: string): JaasConfig {
  const tokens = tokensOf(text.trim())
  const [loginModule, flag, ...rest] = tokens
  if (loginModule === undefined || loginModule.isMark)
    throw new Error('begins with no login module')
  if (flag === undefined || !CONTROL_FLAGS.includes(flag.text.toLowerCase())) {
    throw new Error(`has none of ${CONTROL_FLAGS.join(', ')} behind the login module`)
  }
  const end = rest.pop()
  if (end === undefined || !end.isMark || end.text !== ';')
    throw new Error('ends with no semicolon')
  const options = new Map<string, string>()
  for (let index = 0; index < rest.length; index += 3) {
    const [name, equals, value] = rest.slice(index, index + 3)
    if (name === undefined || name.isMark) throw new Error('has a value without a name')
    if (!isEqualsSign(equals) || value === undefined || value.isMark) {
      throw new Error(`has no value for ${name.text}`)
    }
    options.set(name.text, value.text)
  }
  return { loginModule: loginModule.text, options }
}

function isEqualsSign(token: Token | undefined): boolean {
  return token !== undefined && token.isMark && token.text === '='
}

function tokensOf(text: string): Token[] {
  return [...text.matchAll(TOKEN)].map(([, double, single, word, mark = '']) => {
    const quoted = double ?? single
    if (quoted !== undefined) return { text: unescaped(quoted), isMark: false }
    return word === undefined ? { text: mark, isMark: true } : { text: word, isMark: false }
  })
}

function unescaped(text: string): string {
  return text.replaceAll(ESCAPE, (_, escaped: string) =>
    /^\d/.test(escaped)
      ? String.fromCharCode(Number.parseInt(escaped, 8))
      : (ESCAPED[escaped] ?? escaped),
  )
}
