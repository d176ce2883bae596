export { describeConfig, printConfig } from './config/describe.ts'
export { environmentName } from './config/env-names.ts'
export {
  ConfigError,
  type ConfigSource,
  type LoadedConfig,
  type UnsupportedNames,
  checkConfig,
  loadConfig,
} from './config/load-config.ts'
export { type ConfigValue, parseValue } from './config/parse-value.ts'
export {
  type ConfigFamily,
  type ConfigOf,
  type ConfigSpec,
  type KeySpec,
  defineConfig,
} from './config/spec.ts'
export type { ExposedMetric, ExposedSample } from './exposed-metric.ts'
export { type CheckState, Health } from './health.ts'
export { createHttpServer } from './http-server.ts'
export { Metrics, type TraceIds } from './metrics.ts'
export { openMetricsText } from './open-metrics.ts'
export {
  REGISTRY_CREDENTIALS_CONFIG,
  type RegistryCredentials,
  registryCredentials,
  registryProblems,
} from './registry-credentials.ts'
export { REVISION } from './revision.ts'
export {
  type AppContext,
  type AppDefinition,
  type AppSettings,
  type RunningApp,
  loadAppConfig,
  runApp,
} from './run-app.ts'
export { untilSucceeds } from './until-succeeds.ts'
export { type RawValue, parseConfigFile } from './config/parse-file.ts'
