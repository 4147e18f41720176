"""Find labels and images that deserve a second look: wrong labels, copies, outliers, bad photographs."""
