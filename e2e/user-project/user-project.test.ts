import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { packLibraries } from '../../tools/pack/pack-libraries.ts'
import { ROOT, RunningPlatform } from '../support/platform.ts'

const PROJECT = join(import.meta.dirname, 'project')
/** What defines the events and the projection, and tests it. */
const DEFINITION = ['loans.ts', 'test-loans.ts']
const LINES_MAX = 60

/** What the packages depend on, and the project itself: npm would install them beside the packages. */
const THIRD_PARTY = [
  'kysely',
  'pg',
  'avsc',
  'ajv',
  'protobufjs',
  'fastify',
  '@types/node',
  '@types/pg',
]

let project: string

const run = (
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
) => promisify(execFile)(command, [...args], { cwd: project, env: { ...process.env, ...env } })

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'fairlead-user-'))
  await cp(PROJECT, project, { recursive: true })
  await writeFile(join(project, 'package.json'), JSON.stringify({ type: 'module' }))
  await installPackages(await packLibraries(join(project, 'packed')))
})

afterAll(() => rm(project, { recursive: true, force: true }))

/** As `npm install` of the tarballs would, without a registry at hand. */
async function installPackages(tarballs: readonly string[]): Promise<void> {
  const modules = join(project, 'node_modules')
  for (const tarball of tarballs) {
    const [, name = ''] = /^fairlead-(.*)-\d+\.\d+\.\d+\.tgz$/.exec(basename(tarball)) ?? []
    const target = join(modules, '@fairlead', name)
    await mkdir(target, { recursive: true })
    await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', target])
  }
  await mkdir(join(modules, '@types'))
  for (const name of THIRD_PARTY) {
    await symlink(join(ROOT, 'node_modules', name), join(modules, name))
  }
}

test('events, a projection and its test take under 60 lines, without a cast', async () => {
  const texts = await Promise.all(DEFINITION.map((file) => readFile(join(PROJECT, file), 'utf8')))
  const lines = texts.flatMap((text) => text.trimEnd().split('\n'))
  expect(lines.length).toBeLessThan(LINES_MAX)
  expect(lines.filter((line) => /\bas\b|<any>|!\.|@ts-/.test(line))).toEqual([])
})

test('the project type-checks strictly, and its test runs without a database', async () => {
  const config = {
    compilerOptions: {
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      module: 'nodenext',
      target: 'es2024',
      lib: ['es2024'],
      types: ['node'],
      noEmit: true,
      allowImportingTsExtensions: true,
    },
    include: ['*.ts'],
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify(config))
  const checked = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', project]).catch(
    (error: { readonly stdout: string }) => error,
  )
  expect(checked.stdout).toBe('')
  const tests = ['test-loans.ts', 'test-more.ts', 'test-purchases.ts']
  const { stdout } = await run(process.execPath, ['--test', ...tests])
  expect(stdout).toMatch(/pass 5/)
})

test.for([
  ['a version', 'from: LoanEvents, into', "Property 'version' is missing"],
  [
    'a field',
    'version: 1, from: LoanEvents, into, inboxes: {}',
    "'inboxes' does not exist in type",
  ],
  [
    'the type of a key',
    "version: 1, from: LoanEvents, into, order: 'none', key: () => 1",
    "Type 'number' is not assignable to type 'string'",
  ],
] as const)(
  'who gets %s of a definition wrong is told so by the compiler',
  async ([, header, message]) => {
    const folder = join(project, 'wrong')
    await mkdir(folder, { recursive: true })
    onTestFinished(() => rm(folder, { recursive: true }))
    await writeFile(
      join(folder, 'wrong.ts'),
      `import { defineProjection, tables } from '@fairlead/projection'
    import { LoanEvents } from '../loans.ts'
    const into = tables<{ loan: { id: string } }>()('loan', 'id', { id: 'text' })
    export const wrong = defineProjection({ name: 'wrong', ${header} })`,
    )
    const config = { extends: '../tsconfig.json', include: ['*.ts'] }
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
    const checked = await run(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder]).catch(
      (error: { readonly stdout: string }) => error,
    )
    expect(checked.stdout).toContain(message)
  },
)

test('what it has of schemas in files is what the command line makes of them', async () => {
  const cli = join(ROOT, 'apps/cli/src/main.ts')
  const { stdout } = await run(process.execPath, [cli, 'schema', 'definitions', 'schemas/'])
  expect(stdout).toBe(await readFile(join(PROJECT, 'definitions.ts'), 'utf8'))
})

test('a relay takes the function of the project that routes events', async () => {
  const relay = join(ROOT, 'apps/relay/src/main.ts')
  const settings = ['--database.url=postgres://localhost/shop', '--route.module=route.ts']
  const { stdout } = await run(process.execPath, [relay, '--print-config', ...settings])
  expect(stdout).toMatch(/route\.module.*route\.ts/)
})

test('the code of docs/projections.md is that of the project', async () => {
  const docs = await readFile(join(ROOT, 'docs/projections.md'), 'utf8')
  const blocks = [...docs.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code = '']) => code.trim())
  expect(blocks.length).toBeGreaterThan(5)
  const names = (await readdir(PROJECT)).filter((name) => name.endsWith('.ts'))
  const files = await Promise.all(names.map((name) => readFile(join(PROJECT, name), 'utf8')))
  for (const block of blocks) {
    expect(
      files.some((text) => text.includes(block)),
      block,
    ).toBe(true)
  }
})

test('it runs against npm start: a write is read back as soon as the wait for it ends', async () => {
  const module = join(project, 'loans.ts')
  await using platform = await RunningPlatform.start(['--rate', '0', '--projections', module])
  const { postgres, registry, projector } = platform.endpoints
  const { stdout } = await run(process.execPath, ['lend.ts'], {
    POSTGRES: postgres,
    REGISTRY: registry,
  })
  expect(JSON.parse(stdout)).toMatchObject({
    fresh: true,
    loan: [{ loan_id: 'l1', title: 'Emma', open: true }],
  })
  const operated = await run(process.execPath, ['operate.ts'], { PROJECTOR: projector })
  expect(JSON.parse(operated.stdout)).toEqual({ live: 1, lagRecords: 0, titles: [] })
})
