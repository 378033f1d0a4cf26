"""The name of scikit-learn: its modules can be imported, and their use raises one sentence."""

import asif_absent as _  # finds the modules
