import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorMessage } from '@fairlead/base'
import type { RouteFunction } from '@fairlead/cdc'

const requireModule = createRequire(import.meta.url)
const AsyncFunction = (async () => undefined).constructor

/**
 * The function that a module exports as `route`. It is loaded at once, so that the configuration can be checked
 * with it, and once for the life of the process.
 *
 * @throws {Error} that names `route.module` and what is wrong.
 */
export function loadRoute(path: string): RouteFunction {
  const file = resolve(path)
  try {
    return routeOf(file, requireModule(file))
  } catch (error) {
    throw new Error(`route.module: ${reasonOf(file, error)}`, { cause: error })
  }
}

/** Why the module, as the file is now, would not be loaded; undefined when it would. */
export async function routeModuleFault(path: string): Promise<string | undefined> {
  const file = resolve(path)
  try {
    const url = pathToFileURL(file)
    // A module of the same URL is not loaded anew.
    url.searchParams.set('at', `${statSync(file).mtimeMs}`)
    routeOf(file, await import(url.href))
    return undefined
  } catch (error) {
    return reasonOf(file, error)
  }
}

function routeOf(file: string, module: unknown): RouteFunction {
  const route =
    typeof module === 'object' && module !== null && 'route' in module ? module.route : undefined
  if (typeof route !== 'function') {
    throw new TypeError(`${file} does not export \`route\`, a function: see defineRoute`)
  }
  if (route instanceof AsyncFunction) {
    throw new TypeError(`route of ${file} is async: it has to answer at once`)
  }
  return route as RouteFunction
}

function reasonOf(file: string, error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code
  if (code === 'ERR_REQUIRE_ASYNC_MODULE') return `${file} has an await outside of functions`
  const message = errorMessage(error)
  return message.includes(file) ? message : `${file}: ${message}`
}
