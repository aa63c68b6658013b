"""Open the benchmark's report in a headless Chromium: ``python tools/browser.py [index.html]``.

At the width of a desktop and of a phone, light and dark: everything is drawn, nothing is cut off,
letters are large enough, nothing complains in the console, every link inside the page has its end.
Pictures of each section go to a folder ``screens`` next to the page, for eyes.
"""

from __future__ import annotations

import os
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

REPORT = Path(__file__).resolve().parent.parent / "bench" / "report" / "index.html"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")
TALLEST = 5_000  # pixels of one picture

CHECKS = r"""
() => {
  const faults = [];
  const say = (what, node) => faults.push(what + ": " + (node.getAttribute?.("aria-label") ||
    node.textContent || node.tagName).trim().slice(0, 80));
  const box = node => node.getBoundingClientRect();
  const light = color => {
    const [r, g, b] = color.match(/[\d.]+/g).map(value => {
      value /= 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const contrast = color => {
    const ink = light(color);
    return (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  };
  const page = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)").matches;
  if (page.scrollWidth > innerWidth) faults.push("wider than the window: " + page.scrollWidth);
  if ((paper < 0.5) !== dark) faults.push("light where dark was asked for, or dark");
  for (const image of document.images)
    if (!image.complete || !image.naturalWidth) say("no image", image);
  for (const svg of document.querySelectorAll("svg")) {
    const around = box(svg);
    if (around.width < 100 || around.height < 50) say("not drawn", svg);
    if (!svg.querySelector("path, use, rect")) say("empty", svg);
    for (const text of svg.querySelectorAll("text")) {
      const at = box(text), style = getComputedStyle(text);
      if (at.left < around.left - 1 || at.right > around.right + 1 ||
          at.top < around.top - 1 || at.bottom > around.bottom + 1) say("cut off", text);
      const size = parseFloat(style.fontSize) * around.width / svg.viewBox.baseVal.width;
      if (size < 7) say("letters of " + size.toFixed(1) + " pixels", text);
      if (contrast(style.fill) < 3) say("pale, " + style.fill, text);
    }
  }
  for (const node of document.querySelectorAll("p,td,th,h1,h2,h3,h4,li,small,dt,dd,a,figcaption")) {
    const style = getComputedStyle(node);
    if (node.textContent.trim() && contrast(style.color) < 4.5) say("pale, " + style.color, node);
    if (parseFloat(style.fontSize) < 11) say("small", node);
  }
  for (const link of document.querySelectorAll('a[href^="#"]'))
    if (!document.getElementById(link.hash.slice(1))) say("link to nowhere", link);
  return [...new Set(faults)];
}
"""
SECTIONS = """
() => [0, ...[...document.querySelectorAll("h2")].map(head => head.getBoundingClientRect().top +
  scrollY - 8), document.documentElement.scrollHeight]
"""


def program() -> str:
    """Return the path of the browser: what ``BROWSER`` says, or the first that is installed."""
    for name in (os.environ.get("BROWSER", ""), *PROGRAMS):
        if found := shutil.which(name):
            return found
    raise SystemExit(f"no browser; install one of {', '.join(PROGRAMS)}, or set BROWSER")


def look(browser: Any, file: Path, width: int, scheme: str) -> list[str]:
    """Return what is wrong with the page at a width in a colour scheme; take its pictures."""
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    faults: list[str] = []
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("requestfailed", lambda request: faults.append(f"not loaded: {request.url}"))
    page.goto(file.as_uri())
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")
    faults += page.evaluate(CHECKS)
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = false")
    ends = page.evaluate(SECTIONS)
    for number, (top, bottom) in enumerate(pairwise(ends)):
        path = file.parent / "screens" / f"{width}-{scheme}-{number:02}.png"
        clip = {"x": 0, "y": top, "width": width, "height": min(bottom - top, TALLEST)}
        page.screenshot(path=path, full_page=True, clip=clip)
    page.close()
    return faults


def main(file: Path = REPORT) -> int:
    """Look at the page in all ways; return 1 if anything is wrong."""
    if not file.exists():
        raise SystemExit(f"no report at {file}; run python -m bench first")
    failed = False
    shutil.rmtree(file.parent / "screens", ignore_errors=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program())
        for width in WIDTHS:
            for scheme in SCHEMES:
                faults = look(browser, file, width, scheme)
                print(f"{width} px, {scheme}: {len(faults)} faults", *faults[:20], sep="\n  ")
                failed = failed or bool(faults)
        browser.close()
    print(f"the pictures are in {file.parent / 'screens'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(*(Path(path).resolve() for path in sys.argv[1:2])))
