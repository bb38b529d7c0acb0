//! Every wire shape becomes the model's. Pure functions; vendor names stand only here.
