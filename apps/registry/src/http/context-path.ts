/** A context as the first part of the path: `/contexts/.ctx/subjects/name`. */
const CONTEXT_PATH = /^\/contexts\/([^/?]+)\/([^/?]+)([^?]*)(?:\?(.*))?$/

/** The default context has no settings and no mode but those of the registry. */
const SETTINGS_OF_DEFAULT = /^\/(config|mode)\/(?::|%3a)\.(?::|%3a)\/?(?=\?|$)/i

/**
 * The path without its context, which goes where Confluent's registry puts it: before the subject,
 * or, where the path has none, into the query. Other paths stay as they are.
 */
export function withoutContextPath(url: string): string {
  if (!url.startsWith('/contexts/')) return url.replace(SETTINGS_OF_DEFAULT, '/$1')
  const [, given = '', resource = '', rest = '', query] = CONTEXT_PATH.exec(url) ?? []
  const context = contextName(given)
  if (context === undefined) return url
  const path = `/${resource}${rest}`
  // The default context is where everything is that names no other.
  if (context === '.') return query === undefined ? path : `${path}?${query}`
  const prefix = encodeURIComponent(`:${context}:`)

  const subject =
    /^(\/(?:(?:compatibility|associations)\/)?subjects\/|\/(?:config|mode)\/)([^/]*)(.*)$/.exec(
      path,
    )
  if (subject !== null) {
    const [, before = '', name = '', after = ''] = subject
    const isQualified = /^(?:%3a|:)\./i.test(name)
    return withQuery(`${before}${isQualified ? name : `${prefix}${name}`}${after}`, query)
  }
  if (/^\/(?:config|mode)\/?$/.test(path)) return withQuery(`/${resource}/${prefix}`, query)
  if (resource.startsWith('associations')) {
    return withParameter(path, {
      parameter: 'context',
      prefix,
      query: withoutParameter(query, 'context'),
    })
  }
  const parameter = /^\/(?:subjects|schemas)\/?$/.test(path) ? 'subjectPrefix' : 'subject'
  return withParameter(path, { parameter, prefix, query })
}

function withQuery(path: string, query: string | undefined): string {
  return query === undefined ? path : `${path}?${query}`
}

function withoutParameter(query: string | undefined, parameter: string): string | undefined {
  const parts = query?.split('&').filter((part) => !part.startsWith(`${parameter}=`))
  return parts?.join('&')
}

/** Qualifies the parameter if it is there, and adds it otherwise. */
function withParameter(
  path: string,
  options: {
    readonly parameter: string
    readonly prefix: string
    readonly query: string | undefined
  },
): string {
  const { parameter, prefix, query = '' } = options
  const parts = query.split('&').filter((part) => part !== '')
  const others = parts.filter((part) => !part.startsWith(`${parameter}=`))
  const [own = ''] = parts.filter((part) => part.startsWith(`${parameter}=`))
  const value = own.slice(parameter.length + 1)
  const isQualified = /^(?:%3a|:)/i.test(value)
  const qualified = isQualified ? value : `${prefix}${value}`
  return `${path}?${[...others, `${parameter}=${qualified}`].join('&')}`
}

/** `.ctx`, as it may be given: `.ctx`, `:.ctx:`, or without its dot; undefined when it is none. */
function contextName(text: string): string | undefined {
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    return undefined
  }
  const [, name = ''] = /^:?([^:]*):?$/.exec(decoded) ?? []
  if (name === '') return undefined
  return name.startsWith('.') ? name : `.${name}`
}
