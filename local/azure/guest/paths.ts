/** A guest's files live below a directory of ours: absolute paths of the parts that it may write are led there. */

const writable = /(^|[\s=:,"'(])(\/(?:opt|etc|var|run)(?=[/\s"',:)]|$))/g;

/** Maps every absolute path below /opt, /etc, /var and /run in a text to the guest's root. */
export const mapPaths = (text: string, root: string): string =>
  text.replace(writable, (_, before: string, path: string) => `${before}${root}${path}`);
