import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const APPS = readdirSync(join(ROOT, 'apps'))

/**
 * A process that was killed is away for as long as it takes to load what it is made of, and each module costs a
 * third of a millisecond. What few processes need is loaded when it is needed.
 */
const LOADED_ON_USE: Readonly<Record<string, RegExp>> = {
  'codecs and clients of @platformatic/kafka':
    /@platformatic\/kafka\/dist\/(apis|clients|network)\//,
  'ajv, a compiler of JSON schemas': /node_modules\/ajv\//,
  'a second OpenTelemetry beside that of prom-client': /@opentelemetry\/api\/dist\/index\.mjs/,
  'protobufjs, a compiler of .proto files': /node_modules\/protobufjs\//,
}

const LIST_MODULES = `
  import { registerHooks } from 'node:module'
  const urls = []
  registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) })
  process.on('exit', () => process.stderr.write(urls.join('\\n')))
`

function help(
  app: string,
  options: { readonly flags?: readonly string[]; readonly env?: NodeJS.ProcessEnv },
) {
  const entry = join(ROOT, 'apps', app, 'src/main.ts')
  return spawnSync(process.execPath, [...(options.flags ?? []), entry, '--help'], {
    encoding: 'utf8',
    env: { ...process.env, ...options.env },
  })
}

function modulesAtStart(app: string): readonly string[] {
  const hook = `data:text/javascript,${encodeURIComponent(LIST_MODULES)}`
  return help(app, { flags: ['--import', hook] }).stderr.split('\n')
}

test.for(APPS)('%s starts without what it may never need', (app) => {
  const modules = modulesAtStart(app)
  expect(modules.length).toBeGreaterThan(100)
  for (const [what, pattern] of Object.entries(LOADED_ON_USE)) {
    expect(
      modules.filter((url) => pattern.test(url)),
      what,
    ).toEqual([])
  }
})

test.for(APPS)('%s starts where the compile cache cannot be written', (app) => {
  const { status, stdout } = help(app, { env: { NODE_COMPILE_CACHE: '/dev/null/cache' } })
  expect(status).toBe(0)
  expect(stdout).not.toBe('')
})
