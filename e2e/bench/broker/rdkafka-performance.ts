import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from '../../support/cache.ts'
import { isInstalled, run } from '../../support/command.ts'

const PROGRAM = 'rdkafka_performance'
/** Where Debian says from where its packages come. */
const HEADER = '/usr/include/librdkafka/rdkafka.h'
const DEBIAN_SOURCES = '/etc/apt/sources.list.d/debian.sources'

/** Why librdkafka's load generator cannot be built on this machine; undefined when it can. */
export function performanceAbsence(): string | undefined {
  const absent = ['apt-get', 'cc', 'tar'].filter((program) => !isInstalled(program))
  if (!existsSync(HEADER)) absent.push('librdkafka')
  if (absent.length === 0) return undefined
  const next = 'apt-get install gcc librdkafka-dev'
  return `${PROGRAM} is built from Debian's packages, and there is no ${absent.join(', no ')}: ${next}`
}

/** The path of `rdkafka_performance`: from Debian's source package, against Debian's library; built once. */
export async function rdkafkaPerformance(): Promise<string> {
  return join(await cached(PROGRAM, await readFile(DEBIAN_SOURCES, 'utf8'), build), PROGRAM)
}

async function build(directory: string): Promise<void> {
  const sources = await unpackSources(directory)
  // What `configure` would write. The program asks for none of it.
  await writeFile(join(sources, 'config.h'), '')
  const source = join(sources, 'examples/rdkafka_performance.c')
  const output = ['-o', join(directory, PROGRAM)]
  const libraries = ['-lrdkafka', '-lpthread', '-lz', '-lm']
  await run('cc', ['-O2', '-I', join(sources, 'src'), ...output, source, ...libraries])
}

/** By an apt that has lists of its own: those of the machine stay as they are. */
async function unpackSources(directory: string): Promise<string> {
  const lists = join(directory, 'lists')
  const sourceList = join(directory, 'debian.sources')
  await mkdir(join(lists, 'partial'), { recursive: true })
  const system = await readFile(DEBIAN_SOURCES, 'utf8')
  await writeFile(sourceList, system.replaceAll(/^Types: deb$/gm, 'Types: deb-src'))
  const settings = {
    'Dir::Etc::sourcelist': sourceList,
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': lists,
    'APT::Sandbox::User': 'root',
  }
  const flags = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  await run('apt-get', [...flags, 'update'])
  await run('apt-get', [...flags, 'source', '--download-only', 'librdkafka'], { cwd: directory })
  const tarball = (await readdir(directory)).find((name) => name.endsWith('.orig.tar.gz'))
  if (tarball === undefined) throw new Error('the source package of librdkafka holds no tarball')
  await run('tar', ['xf', tarball], { cwd: directory })
  const entries = await readdir(directory, { withFileTypes: true })
  const folder = entries.find((entry) => entry.isDirectory() && entry.name.startsWith('librdkafka'))
  if (folder === undefined) throw new Error(`${tarball} holds no folder librdkafka-…`)
  return join(directory, folder.name)
}

export type Load = {
  /** By the program's own clock: from its first record to the last that was delivered. */
  readonly seconds: number
}

const PRODUCED = /% \d+ messages produced .*, (\d+) failed\) in (\d+)ms/
const CONSUMED = /% \d+ messages .*consumed in ()(\d+)ms/

/** Runs the program to its end. Fails when a record did. */
export async function performLoad(program: string, flags: readonly string[]): Promise<Load> {
  const child = spawn(program, flags, { stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const output: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text))
  }
  await once(child, 'close')
  process.off('exit', kill)
  const lines = output.join('').split('\n')
  const summary = lines.findLast((line) => PRODUCED.test(line) || CONSUMED.test(line)) ?? ''
  const [, failed, milliseconds] = PRODUCED.exec(summary) ?? CONSUMED.exec(summary) ?? []
  if (milliseconds === undefined || Number(failed) > 0) {
    throw new Error(`${PROGRAM} ${flags.join(' ')} failed:\n${lines.slice(-10).join('\n')}`)
  }
  return { seconds: Number(milliseconds) / 1_000 }
}
