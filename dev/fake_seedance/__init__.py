"""A local server that behaves like BytePlus ModelArk's video API, for tests and for trying the pack without paying.

    with FakeSeedance() as server:
        # ARK_BASE_URL=server.base_url, ARK_API_KEY=test-anything
        server.faults.add("reset", on="create", processed=True)   # the task is made, the client sees an error
        server.clock.advance(60)                                   # seconds; tasks end by this clock
        server.finish()                                            # or: until every task has ended
        assert len(server.charges()) == 1                          # what was really paid
        assert [seen.reply for seen in server.requests("create")] == [0]

As a process: ``python -m dev.fake_seedance --port N --control-port M``; it prints its two addresses.

Three ports on 127.0.0.1: the API (``base_url``), the files (``download_url``; the addresses in the replies lead
there), and the control port (``control_url``), which a client under test must never be told of. The control port
has a page for a browser at ``/`` and, JSON in and out (errors: 400, 404 or 415 with ``{"error": ...}``):

    GET    /state                    addresses, now, speed, work_speed, rate_limits
    GET    /charges                  {"charges": [Charge...], "count", "total_tokens", "total_usd"}
    GET    /requests?operation=&after=   {"requests": [Seen...]}, those with a higher number than ``after``
    GET    /tasks                    {"tasks": [...]}, every task that was made, seen by a client or not
    GET    /faults                   {"faults": [Fault...]}, those that have hit too
    POST   /faults                   the fields of a Fault, or {"recipe": NAME}; replies {"ids": [...]}
    DELETE /faults                   cancels all
    GET    /recipes                  {"recipes": {NAME: [fault...]}}: the project's faults 1 to 21, ready to order
    POST   /clock                    any of {"advance": seconds, "speed": x, "work_speed": x}; replies as /state
    POST   /finish                   moves the clock until every task has ended
    POST   /wait                     {"operation", "count": 1, "timeout": 30, "processed": true}: until they came
    POST   /release                  ends every delay and stall that is going on
    POST   /forget                   {"task": id}: its record is lost
    POST   /port                     {"open": false}: connections to the API are refused, until {"open": true}
    POST   /limits                   {"on": false}: no rate limits
    POST   /reset                    forgets tasks, charges, requests and faults

A charge is made at the moment when a task succeeds, as by the real service: a task that was made and has not ended
is not in charges() yet (look at tasks(), or finish() first). Failed, expired and cancelled tasks cost nothing.

What it is true to, by the provider's documents and what others observed (models.json has the tables): paths, error
bodies, checks of parameters and images for each model, frame sizes, tokens, prices, list and its filters, DELETE,
times until records and files are gone, signed addresses, and that there is no idempotency: a POST that was sent
twice makes two tasks and two charges.

What it is not true to, or nobody knows:

- How long tasks wait and run is invented; the flex tier is as fast as the other one.
- Moderation happens only when it is ordered as a fault. The films are a moving square, not a story.
- Codes for an unknown task (404 ResourceNotFound), for DELETE of a cancelled task, for more than 64 MB and for too
  many requests per second, the order in which rules are checked, and the order of the list (newest first) are guesses.
- ``filter.model`` matches nothing (it is documented as an endpoint's id). Whether a look at a task signs its address
  anew is unknown: here it does not, unless ``signs_again``.
- With ``duration: -1`` the longest video is made. Images by URL are taken unread, as are videos and sounds, and the
  seconds of a video that is given in are not counted in the tokens. ``draft_task``, ``tools`` and callbacks are not
  there. 4k has the rate limits of its model. One account: any key with the right mark sees every task.
- An Authorization header at a download address is refused (400), so that a key that leaks there is seen.

No test against this server proves that the live service does the same.
"""

from __future__ import annotations

from .fake import FakeSeedance
from .faults import Fault, recipes
from .record import Seen
from .tasks import Charge

__all__ = ["Charge", "FakeSeedance", "Fault", "Seen", "recipes"]
