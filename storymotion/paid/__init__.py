"""Paid calls, whoever the provider is: gate -> quote -> journal -> send -> collect -> settle.

``provider`` names what differs between providers; ``key`` and ``address`` guard the key; ``billing`` reads the
caps; ``gate`` opens only when all is in order; ``journal`` remembers every paid shot before and after it is sent.
Each provider is one folder below this one.
"""
