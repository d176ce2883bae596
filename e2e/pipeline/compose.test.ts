import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { Ajv } from 'ajv'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { ROOT } from '../support/platform.ts'

type Service = {
  readonly build?: { readonly target: string; readonly args?: readonly string[] }
  readonly environment?: Readonly<Record<string, string>>
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly ports?: readonly string[]
}

const compose = parse(readFileSync(join(ROOT, 'docker-compose.yml'), 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>
}

/** dclint carries the schema of the Compose specification, and keeps up with it. */
const composeSchema = JSON.parse(
  readFileSync(
    join(
      dirname(createRequire(import.meta.url).resolve('dclint/package.json')),
      'schemas/compose.schema.json',
    ),
    'utf8',
  ),
) as object

const services = Object.entries(compose.services)
const built = services.filter(([, service]) => service.build !== undefined)
const dockerfile = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')

const commandOf = (target: string): readonly string[] => {
  const stage = dockerfile.split(/^FROM /m).find((text) => text.includes(` AS ${target}\n`))
  const command = /^CMD (\[.*\])$/m.exec(stage ?? '')?.[1]
  if (command === undefined) throw new Error(`the Dockerfile has no command in stage ${target}`)
  return JSON.parse(command) as string[]
}

test('docker-compose.yml is valid by the schema of the Compose specification', () => {
  const validate = new Ajv({
    strict: false,
    validateFormats: false,
    validateSchema: false,
  }).compile(composeSchema)
  validate(compose)
  expect(validate.errors).toBeNull()
})

test('every service has a health check, and waits for healthy ones only', () => {
  for (const [name, service] of services) {
    expect(service.healthcheck?.test, name).toBeDefined()
    for (const [peer, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(compose.services[peer], peer).toBeDefined()
      expect(condition).toBe('service_healthy')
    }
  }
})

describe.for(built)('%s', ([, service]) => {
  const [program, entry = ''] = commandOf(service.build?.target ?? '')

  test('its image is told the revision that it is built from', () => {
    expect(service.build?.args).toEqual(['REVISION'])
    expect(dockerfile).toMatch(/^ARG REVISION\n(.*\n)?ENV FAIRLEAD_REVISION=\$REVISION\n/m)
  })

  test('its command exists', () => {
    expect(program).toBe('node')
    expect(existsSync(join(ROOT, entry))).toBe(true)
  })

  test('its configuration is accepted by the program', async () => {
    const environment = Object.fromEntries(
      Object.entries(service.environment ?? {}).map(([name, value]) => [
        name,
        value.replaceAll(/\$\{\w+:-([^}]*)\}/g, '$1').replace(/^\/app\//, `${ROOT}/`),
      ]),
    )
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [join(ROOT, entry), '--print-config'],
      { env: { PATH: process.env['PATH'], ...environment } },
    )
    expect(stdout).toContain('# environment')
  })

  test('its health check asks the port that it publishes', () => {
    const url = /http:\/\/127\.0\.0\.1:(\d+)\/readyz/.exec(
      service.healthcheck?.test.join(' ') ?? '',
    )
    expect(service.ports?.some((port) => port.endsWith(`:${url?.[1]}`))).toBe(true)
  })
})
