"""The services of the embedded AWS: moto's, made faster and as strict as AWS."""
