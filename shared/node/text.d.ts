// Files that go onto a node are imported as their text: esbuild's loader 'text', a plugin in the tests.
declare module '*.py' {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: what bundlers give a text import
  export default text;
}
