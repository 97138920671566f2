"""Lava processes of this toolkit's own, for what no stock process does; importing this package imports Lava.

Nothing else may live here: Lava's compiler executes every file in the folder of a process's module. Import it only
where Lava runs, for `simulators` itself works without Lava.
"""

from simulators.lava_import import import_lava

import_lava()
