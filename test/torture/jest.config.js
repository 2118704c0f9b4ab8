import suite from '../../jest.config.js'

/** @type {import('jest').Config} */
export default {
  ...suite,
  rootDir: '../..',
  testMatch: ['<rootDir>/test/torture/**/*.torture.ts'],
  testTimeout: 60_000,
  maxWorkers: 1,
}
