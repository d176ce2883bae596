import type { Finding } from './finding.ts'

/** Findings as code scanners read them (SARIF 2.1.0). */
export function sarifOf(findings: readonly Finding[]): string {
  const rules = [...new Set(findings.map(({ rule }) => rule))].sort()
  const sarif = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: {
          driver: { name: 'fairlead schema check', rules: rules.map((id) => ({ id })) },
        },
        results: findings.map(({ file, rule, severity, message, line, column }) => ({
          ruleId: rule,
          level: severity,
          message: { text: message },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: file.replaceAll('\\', '/') },
                region: { startLine: line, startColumn: column },
              },
            },
          ],
        })),
      },
    ],
  }
  return `${JSON.stringify(sarif, null, 2)}\n`
}
