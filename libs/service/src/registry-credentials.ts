import { type ConfigOf, defineConfig } from './config/spec.ts'

/** Keys of an app that asks a schema registry, by the names of Confluent's clients. */
export const REGISTRY_CREDENTIALS_CONFIG = defineConfig({
  'basic.auth.credentials.source': {
    type: 'enum',
    values: ['URL', 'USER_INFO'],
    doc: 'Where user and password for the schema registry are: in its URL (http://user:password@host), or in basic.auth.user.info; whichever has them by default.',
  },
  'basic.auth.user.info': {
    type: 'string',
    secret: true,
    pattern: /^[^:]+:/,
    doc: 'user:password for the schema registry.',
  },
  'bearer.auth.token': {
    type: 'string',
    secret: true,
    doc: 'Token for the schema registry, in place of a user.',
  },
})

const PROTOCOLS = ['http:', 'https:']

type RegistryCredentialsConfig = ConfigOf<typeof REGISTRY_CREDENTIALS_CONFIG>

/** Who asks the registry, as its client takes it. */
export type RegistryCredentials = { readonly userInfo?: string; readonly token?: string }

export function registryCredentials(config: RegistryCredentialsConfig): RegistryCredentials {
  const { 'basic.auth.user.info': userInfo, 'bearer.auth.token': token } = config
  return {
    ...(userInfo === undefined ? {} : { userInfo }),
    ...(token === undefined ? {} : { token }),
  }
}

/** One line per problem of the keys, and of the URLs of `schema.registry.url`, which may have passwords in them. */
export function registryProblems(
  config: RegistryCredentialsConfig,
  urls: readonly string[],
): readonly string[] {
  const source = config['basic.auth.credentials.source']
  const hasUser = config['basic.auth.user.info'] !== undefined
  const problems: string[] = []
  if (!urls.every((url) => PROTOCOLS.includes(URL.parse(url)?.protocol ?? ''))) {
    problems.push('schema.registry.url: each must be an absolute URL, of http or https')
  }
  if (source === 'USER_INFO' && !hasUser) {
    problems.push(
      'basic.auth.credentials.source is USER_INFO: set basic.auth.user.info to user:password',
    )
  }
  if (source === 'URL' && hasUser) {
    problems.push(
      'basic.auth.user.info is not used with basic.auth.credentials.source URL: leave one of them out',
    )
  }
  if (hasUser && config['bearer.auth.token'] !== undefined) {
    problems.push('basic.auth.user.info and bearer.auth.token are both set: leave one of them out')
  }
  return problems
}
