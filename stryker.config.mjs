/** Mutation testing of the domain: `npm run mutation`, see test/mutation.mjs. */
export default {
  mutate: ['libs/domain/*.ts', '!libs/domain/*.spec.ts'],
  testRunner: 'jest',
  testRunnerNodeArgs: ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'],
  jest: {
    // Over jest.config.js. The domain needs no database; a seed makes one run as good as another.
    config: {
      globalSetup: null,
      globalTeardown: null,
      roots: ['<rootDir>/libs/domain', '<rootDir>/test/support'],
      testMatch: ['<rootDir>/libs/domain/*.spec.ts'],
      setupFiles: ['<rootDir>/test/support/repeatable.ts'],
    },
    enableFindRelatedTests: false,
  },
  coverageAnalysis: 'perTest',
  concurrency: 1,
  // Modules of the engine's own kind are never freed by Jest.
  maxTestRunnerReuse: 200,
  ignorePatterns: ['apps', 'dist', 'docs', 'migrations', 'coverage', '.palimpsest*'],
  reporters: [],
  logLevel: 'error',
  allowEmpty: true,
}
