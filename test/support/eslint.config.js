import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

const ENVIRONMENT = {
  selector: "MemberExpression[object.name='process'][property.name='env']",
  message: 'Only src/config.ts reads the environment; take the setting as an argument.',
};
const WALL_CLOCK = [
  {
    selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    message: 'Ask the Clock for the time, so that tests can set it.',
  },
  {
    selector: "NewExpression[callee.name='Date'][arguments.length=0]",
    message: 'Ask the Clock for the time, so that tests can set it.',
  },
];

export default defineConfig(
  { ignores: ['**/dist/**', '**/*.generated.ts', '**/generated/**'] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    languageOptions: {
      parserOptions: {
        project: ['./test/tsconfig.json', './src/pages/tsconfig.json'],
        tsconfigRootDir: new URL('../..', import.meta.url).pathname,
        // With decorator metadata, an import of a class that only types a parameter is no mere
        // type: the rule on type imports then leaves it alone.
        emitDecoratorMetadata: true,
        experimentalDecorators: true,
      },
    },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'prefer-const': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': [
        'error',
        { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false },
      ],
      // Such an import would be kept, of nothing.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', destructuredArrayIgnorePattern: '^_' },
      ],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: { 'no-restricted-syntax': ['error', ENVIRONMENT, ...WALL_CLOCK] },
  },
  { files: ['src/config.ts'], rules: { 'no-restricted-syntax': ['error', ...WALL_CLOCK] } },
  { files: ['src/clock.ts'], rules: { 'no-restricted-syntax': ['error', ENVIRONMENT] } },
);
