"""Who asks, how often, how much, and at whose cost."""

from penstock.tenancy.fit import Fit
from penstock.tenancy.identify import Identify
from penstock.tenancy.keys import KeyRing, hash_user
from penstock.tenancy.ledger import Ledger
from penstock.tenancy.limit import Limit, tenant_window
from penstock.tenancy.spend import Spend

__all__ = ["Fit", "Identify", "KeyRing", "Ledger", "Limit", "Spend", "hash_user", "tenant_window"]
