import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cached } from './cache.ts'
import { isInstalled, run } from './command.ts'

const DOWNLOAD_TIMEOUT_MS = 600_000

/** Why Java programs cannot run on this machine; undefined when they can. */
export function javaAbsence(): string | undefined {
  const absent = ['java', 'mvn'].filter((program) => !isInstalled(program))
  if (absent.length === 0) return undefined
  return `no ${absent.join(', no ')} in the path: apt-get install openjdk-17-jdk-headless maven`
}

/** The class path of what a pom.xml depends on, fetched from Maven Central once. */
export async function mavenClassPath(name: string, pomFile: string): Promise<string> {
  const directory = await cached(`maven-${name}`, await readFile(pomFile, 'utf8'), (target) =>
    copyDependencies(pomFile, target),
  )
  return join(directory, '*')
}

async function copyDependencies(pomFile: string, outputDirectory: string): Promise<void> {
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${outputDirectory}`]
  await run('mvn', ['-q', '-B', '-f', pomFile, ...goal], { timeoutMs: DOWNLOAD_TIMEOUT_MS })
}
