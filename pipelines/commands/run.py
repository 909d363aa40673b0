"""Run the whole pipeline on this machine: no cluster, no account."""

import argparse


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="tiny", metavar="NAME", help="its parameters (default: tiny)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="SECTION.KEY=VALUE",
        dest="settings",
        help="a parameter on top of the profile, such as instruct.lr=1e-3; may stand again",
    )
    parser.add_argument("--no-cache", action="store_true", help="do everything again (default: what changed)")
    parser.add_argument(
        "--force", action="store_true", help="train even where there is nothing new (default: end)"
    )
    parser.add_argument(
        "--image", metavar="NAME", help="run every step in a container of this image (default: this Python)"
    )
    some = parser.add_mutually_exclusive_group()
    some.add_argument("--from", metavar="STEP", dest="first", help="do this step and all behind it again")
    some.add_argument("--only", metavar="STEP", help="do this step alone, on what the last run left")


def run(options: argparse.Namespace) -> int:
    from pipelines.local.containers import Container
    from pipelines.local.display import Display
    from pipelines.local.home import Home
    from pipelines.local.launch import Launch
    from pipelines.local.summary import keep_summary, last_summary, summary
    from pipelines.profiles import load_profile
    from pipelines.tasks import behind, check_fits, expected

    forced = ["news.force=true"] if options.force or options.no_cache or options.first else []
    profile = load_profile(options.profile, [*options.settings, *forced])
    home = Home.here()
    if options.only:
        from pipelines.local.single import run_alone

        return run_alone(options.only, profile, home)
    fresh = behind(options.first) if options.first else ()
    check_fits(profile)
    home.root.mkdir(parents=True, exist_ok=True)
    container = Container.of(options.image) if options.image else None
    before = last_summary(home, ok=True)
    display = Display(expected(profile, before["tasks"] if before else {}))
    try:
        launch = Launch(home, profile, caching=not options.no_cache, fresh=tuple(fresh), container=container)
        done = launch.run(display.show)
    finally:
        display.close()
    keep_summary(done, home)
    print(summary(done, home))
    return 0 if done.ok else 1
