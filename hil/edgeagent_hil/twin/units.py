"""Physical constants, and what the twin's arrays are."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

#: Of any shape; the last axis counts servers, racks, phases or cooling units, as the name says.
Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

#: Air at 25 °C and 101.325 kPa: 1.184 kg/m³ × 1007 J/(kg K). Source: Incropera, DeWitt, Fundamentals of
#: Heat and Mass Transfer, table A.4.
AIR_J_PER_M3_K: Final = 1192.0

#: Water at 35 °C, same source, table A.6: 4178 J/(kg K) and 994 kg/m³.
WATER_J_PER_KG_K: Final = 4178.0
WATER_KG_PER_L: Final = 0.994
