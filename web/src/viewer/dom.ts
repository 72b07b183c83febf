/** Elements from values: text is never read as HTML. */

type Child = Node | string | null;

type Properties<Tag extends keyof HTMLElementTagNameMap> = {
  readonly [Key in keyof HTMLElementTagNameMap[Tag]]?: HTMLElementTagNameMap[Tag][Key];
};

/** An element with these properties (ARIA's are among them) and children. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  properties: Properties<Tag>,
  ...children: readonly Child[]
): HTMLElementTagNameMap[Tag] {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/** A button with a sign and what it does in words. */
export function iconButton(sign: string, label: string, onclick: () => void): HTMLButtonElement {
  return element("button", { type: "button", title: label, ariaLabel: label, onclick }, sign);
}

/** A share or score as people read it. */
export const decimals = (value: number, digits = 3): string => value.toFixed(digits);

/** 12,345 */
export const grouped = (value: number): string => value.toLocaleString("en");
