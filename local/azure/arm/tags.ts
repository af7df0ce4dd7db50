import { ArmError } from './failure.ts';

/** At most 50, keys 512 and values 256 characters, keys without regard to letter case. Throws ArmError. */
export function checkTags(tags: unknown): Record<string, string> {
  const entries = Object.entries(tags as Record<string, string>);
  if (entries.length > 50)
    throw new ArmError(
      400,
      'InvalidTagsOverLimit',
      `The maximum number of tags is 50; the request has ${entries.length}.`,
    );
  const keys = new Set<string>();
  for (const [name, value] of entries) {
    if (name.length > 512 || /[<>%&\\?/]/.test(name) || name.trim() === '')
      throw new ArmError(
        400,
        'InvalidTagName',
        `The tag name '${name.slice(0, 40)}' is invalid: up to 512 characters, without < > % & \\ ? /.`,
      );
    if (value.length > 256)
      throw new ArmError(400, 'InvalidTagValueLength', `The value of tag '${name}' is longer than 256 characters.`);
    if (keys.has(name.toLowerCase()))
      throw new ArmError(
        400,
        'DuplicateTagName',
        `The tag name '${name}' is given twice; names are not case-sensitive.`,
      );
    keys.add(name.toLowerCase());
  }
  return tags as Record<string, string>;
}
