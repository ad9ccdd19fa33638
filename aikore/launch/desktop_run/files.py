"""The files of a desktop's folder: the window manager's configuration and the browser's profile."""

from __future__ import annotations

import json
from pathlib import Path

WINDOW_MANAGER = """<?xml version="1.0"?>
<openbox_config xmlns="http://openbox.org/3.4/rc">
  <desktops><number>1</number><popupTime>0</popupTime></desktops>
  <focus><focusNew>yes</focusNew></focus>
  <keyboard/>
  <mouse>
    <context name="Client">
      <mousebind button="Left" action="Press"><action name="Focus"/><action name="Raise"/></mousebind>
    </context>
    <context name="Titlebar">
      <mousebind button="Left" action="Drag"><action name="Move"/></mousebind>
    </context>
    <context name="Close">
      <mousebind button="Left" action="Click"><action name="Close"/></mousebind>
    </context>
  </mouse>
  <menu/>
  <applications>
    <application type="normal"><decor>no</decor><maximized>yes</maximized><focus>yes</focus></application>
  </applications>
</openbox_config>
"""
"""No menus and no keys: whoever looks on gets no terminal by them."""

FIREFOX_PREFERENCES = {
    "app.normandy.enabled": False,
    "browser.aboutwelcome.enabled": False,
    "browser.sessionstore.resume_from_crash": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
    "trailhead.firstrun.didSeeAboutWelcome": True,
}
PROFILE_LOCKS = ("SingletonLock", "SingletonCookie", "SingletonSocket", "lock", ".parentlock")
"""Marks of a browser that uses the profile: Chromium's and Firefox'. A killed one leaves them."""


def prepare(folder: Path) -> None:
    """Make the folder with what the programs of the desktop read. Raises OSError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    (folder / "window").unlink(missing_ok=True)
    (folder / "openbox.xml").write_text(WINDOW_MANAGER)
    profile = folder / "profile"
    profile.mkdir(mode=0o700, exist_ok=True)
    lines = (f"user_pref({json.dumps(key)}, {json.dumps(value)});\n" for key, value in FIREFOX_PREFERENCES.items())
    (profile / "user.js").write_text("".join(lines))


def unlock_profile(folder: Path) -> None:
    """Remove the marks of a browser that was killed."""
    for name in PROFILE_LOCKS:
        (folder / "profile" / name).unlink(missing_ok=True)
